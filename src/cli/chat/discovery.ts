/** Announces this member at the rendezvous again and again, and tells whom it finds there. */
import { type Announcement, openAnnouncement, sealAnnouncement } from './announcement.js'
import type { ChatPeer } from './connection.js'
import type { RoomKeys } from './keys.js'
import type { Rendezvous } from './rendezvous.js'

interface DiscoveryParts {
  readonly peer: ChatPeer
  readonly keys: RoomKeys
  readonly rendezvous: Rendezvous
  /** How long to wait until the next exchange, milliseconds. */
  readonly pauseMs: () => number
  readonly found: (announcements: readonly Announcement[]) => void
  /** Told after each exchange; with what went wrong. */
  readonly told: (failure: string | undefined) => void
}

export class RoomDiscovery {
  readonly #parts: DiscoveryParts
  readonly #stop = new AbortController()
  #wake: () => void = () => undefined

  constructor(parts: DiscoveryParts) {
    this.#parts = parts
    void this.#run()
  }

  /** Exchanges now instead of at the next turn. */
  refresh(): void {
    this.#wake()
  }

  /** Ends it, and takes the announcement back. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await this.#parts.rendezvous.withdraw()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const failure = await this.#exchange().then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      )
      if (this.#stop.signal.aborted) return
      this.#parts.told(failure)
      await this.#pause()
    }
  }

  async #exchange(): Promise<void> {
    const { peer, keys, rendezvous, found } = this.#parts
    const ticket = await peer.ticket()
    // Without an address nobody could come; looking for the others is of use all the same.
    const sealed =
      ticket.addresses.length > 0 ? await sealAnnouncement(keys, { id: peer.id, ticket: ticket.toString() }) : undefined
    const blobs = await rendezvous.exchange(sealed, this.#stop.signal)
    const announcements = await Promise.all(blobs.map((blob) => openAnnouncement(keys, blob)))
    if (!this.#stop.signal.aborted) found(announcements.flatMap((announcement) => announcement ?? []))
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#parts.pauseMs())
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
