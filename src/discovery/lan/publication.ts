import type { TicketAddress } from '../address.js'
import type { Publication } from '../discovery.js'
import type { PublishingPeer } from '../record.js'
import type { LanAddress } from './message.node.js'
import type { Responder } from './responder.js'
import type { SharedLink } from './shared-link.js'

/** How long after a failure to join the link another try is made. */
const RETRY_MS = 30_000
/** A machine has only so many addresses that are of use; more would not fit into a packet. */
const MAX_ANNOUNCED = 16

/** The announcement of one peer, for as long as that peer lives. */
export class LanPublication implements Publication {
  readonly #peer: PublishingPeer
  readonly #link: SharedLink
  readonly #responder: Responder
  readonly #left: () => void
  #joined = false
  #joining: Promise<void>
  #timer: unknown
  #closed: Promise<void> | undefined
  #addresses: readonly LanAddress[] = []

  /** @param left told when it has ended. */
  constructor(peer: PublishingPeer, link: SharedLink, responder: Responder, left: () => void) {
    this.#peer = peer
    this.#link = link
    this.#responder = responder
    this.#left = left
    this.#joining = this.#join()
  }

  update(addresses: readonly TicketAddress[]): void {
    if (this.#closed !== undefined) return
    this.#addresses = addresses
      .flatMap((address) => (address.kind === 'ip' && isAnnounced(address) ? [address] : []))
      .map(({ host, port }) => ({ host, port }))
      .slice(0, MAX_ANNOUNCED)
    if (this.#joined) this.#responder.update(this.#addresses)
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave()
    return this.#closed
  }

  async #join(): Promise<void> {
    try {
      await this.#link.acquire()
      this.#joined = true
      if (this.#closed === undefined) this.#responder.update(this.#addresses)
    } catch (thrown) {
      void this.#link.release()
      if (this.#closed !== undefined) return
      const error = thrown instanceof Error ? thrown.message : String(thrown)
      this.#peer.logger?.warn('the peer cannot be announced on the local network', { error })
      this.#timer = this.#peer.clock.setTimeout(() => {
        this.#joining = this.#join()
      }, RETRY_MS)
    }
  }

  async #leave(): Promise<void> {
    this.#peer.clock.clearTimeout(this.#timer)
    await this.#joining
    this.#left()
    if (!this.#joined) return
    this.#responder.withdraw()
    await this.#link.release()
  }
}

/** Loopback and link-local IPv6 addresses mean nothing on another machine. */
function isAnnounced({ host, port }: LanAddress): boolean {
  return port > 0 && !/^(127\.|0\.|::1?$|fe[89ab]|::ffff:)/i.test(host) && !host.includes('%')
}
