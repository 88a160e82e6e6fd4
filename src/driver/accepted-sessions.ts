import type { SocketAddress } from '../core/address.js'
import type { Core } from '../core/core.js'
import type { PacketSession, PacketSessionEvents, SessionListener } from '../transport/transport.js'
import { type ChannelPlace, Channels } from './channels.js'
import type { Clock } from './clock.js'
import { addAll, type SocketOwner } from './sockets.js'

/** The first id of a session that was accepted. Those of channels are below, those of the core's sockets above. */
const FIRST_ID = 0x3000_0000
const LAST_ID = 0x3fff_ffff

/** QUIC's smallest packet. */
const PACKET_BYTES = 1200

/** Of one that is gone. */
const NOWHERE = { host: '', port: 0 }

interface Accepted {
  readonly session: PacketSession
  readonly from: SocketAddress
  /** When a connection was last seen to use it, or when it came. */
  usedAt: number
  /** Whether the core has told of anything over it. */
  isKnown: boolean
}

/**
 * The data channels with peers, and the sessions that others have opened to a listener of this process, each a carrier of the core's. Who is behind one only a handshake inside
 * tells: one that no connection uses for a while is closed.
 */
export class AcceptedSessions extends Channels {
  readonly #core: Core
  readonly #clock: Clock
  readonly #listener: SessionListener
  readonly #unusedMs: number
  readonly #byId = new Map<number, Accepted>()
  /** Those that have had a path over one: a stranger's session must not have all others looked at. */
  readonly #connections = new Set<number>()
  readonly #drops: Record<string, number> = {}
  #owner: SocketOwner | undefined
  #next = FIRST_ID
  #sweep: unknown

  /** @param unusedMs after how long a session is closed that no connection uses. */
  constructor(core: Core, clock: Clock, listener: SessionListener, unusedMs: number) {
    super(core, clock)
    this.#core = core
    this.#clock = clock
    this.#listener = listener
    this.#unusedMs = unusedMs
  }

  /** Begins to listen. @throws what the listener throws. */
  override async start(owner: SocketOwner): Promise<void> {
    await super.start(owner)
    this.#owner = owner
    await this.#listener.start((from, begin) => this.#accept(from, begin))
  }

  override used(connection: number, carrier: number): void {
    if (this.#byId.has(carrier)) this.#connections.add(connection)
  }

  override release(connection: number): void {
    this.#connections.delete(connection)
  }

  override send(id: number, packets: Uint8Array, segmentBytes: number): boolean {
    const accepted = this.#byId.get(id)
    if (accepted === undefined) return super.send(id, packets, segmentBytes)
    accepted.session.send(packets, segmentBytes)
    return true
  }

  override place(id: number): ChannelPlace | undefined {
    if (id < FIRST_ID) return super.place(id)
    const accepted = this.#byId.get(id)
    if (accepted) accepted.isKnown = true
    return { kind: 'webtransport', tcp: true, ...(accepted?.from ?? NOWHERE) }
  }

  override get writableBytes(): number | undefined {
    let most = super.writableBytes
    // The room of a stranger's must not hide that those in use have none.
    for (const { session, isKnown } of this.#byId.values())
      if (isKnown) most = Math.max(most ?? 0, session.writableBytes)
    return most
  }

  override addDrops(sum: Record<string, number>): void {
    super.addDrops(sum)
    addAll(sum, this.#drops)
  }

  override async closeAll(): Promise<void> {
    await super.closeAll()
    this.#owner = undefined
    this.#clock.clearTimeout(this.#sweep)
    for (const { session } of this.#byId.values()) session.close()
    this.#byId.clear()
    await this.#listener.close()
  }

  #accept(from: SocketAddress, begin: (events: PacketSessionEvents) => PacketSession): void {
    const id = this.#next
    this.#next = id === LAST_ID ? FIRST_ID : id + 1
    const session = begin({
      // For what may be a stranger's no connection has to be asked whether it waits for it, as for a session of our own.
      opened: () => this.#owner?.tell(() => this.#core.setCarrier(id, 'memory', PACKET_BYTES)),
      packet: (data) => {
        this.#owner?.receive(id, from.host, from.port, data, 0)
        this.#owner?.ready()
      },
      writable: () => this.#owner?.ready(),
      pause: () => new Promise((resolve) => this.#clock.setImmediate(resolve)),
      dropped: () => addAll(this.#drops, { 'webtransport-queue-full': 1 }),
      closed: () => this.#remove(id),
    })
    this.#byId.set(id, { session, from, usedAt: this.#clock.now(), isKnown: false })
    if (this.#byId.size === 1) this.#sweepSoon()
  }

  #remove(id: number): void {
    const accepted = this.#byId.get(id)
    if (accepted === undefined) return
    this.#byId.delete(id)
    this.#owner?.tell(() => {
      // Whoever goes over it is to look for another way.
      if (accepted.isKnown) this.#core.setCarrier(id, 'webtransport', 0)
      this.#core.removeCarrier(id)
    })
  }

  #sweepSoon(): void {
    this.#clock.clearTimeout(this.#sweep)
    this.#sweep = this.#clock.setTimeout(() => {
      this.#owner?.tell(() => this.#closeUnused())
      if (this.#byId.size > 0) this.#sweepSoon()
    }, this.#unusedMs / 2)
  }

  #closeUnused(): void {
    const now = this.#clock.now()
    for (const connection of this.#connections)
      for (const { carrier } of this.#core.connectionStats(connection)?.paths ?? []) {
        const accepted = this.#byId.get(carrier)
        if (accepted) accepted.usedAt = now
      }
    for (const [id, { session, usedAt }] of this.#byId) {
      if (now - usedAt < this.#unusedMs) continue
      session.close()
      this.#remove(id)
    }
  }
}
