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
  #hasWarned = false
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
      .filter(isAnnounced)
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
      if (!this.#hasWarned) this.#peer.logger?.warn('the peer cannot be announced on the local network', { error })
      this.#hasWarned = true
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

/** Whether an address is told: loopback and link-local IPv6 addresses mean nothing on another machine. */
export function isAnnounced(address: TicketAddress): address is TicketAddress & { readonly kind: 'ip' } {
  if (address.kind !== 'ip') return false
  const { host, port } = address
  return port > 0 && !/^(127\.|0\.|::1?$|fe[89ab]|::ffff:)/i.test(host) && !host.includes('%')
}
