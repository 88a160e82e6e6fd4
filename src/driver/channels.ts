import type { Core } from '../core/core.js'
import type { Channel, PacketSessionEvents, TransportAddress } from '../transport/transport.js'
import type { Clock } from './clock.js'
import type { EngineAddress, PathKind } from './engine.js'
import { addAll, type SocketOwner } from './sockets.js'

export type { Channel, ChannelMaker, ChannelSignal } from '../transport/transport.js'

/** The first id of a channel. Those of sessions that this peer dials are below, those of the core's sockets above. */
const FIRST_ID = 0x2000_0000

/** QUIC's smallest packet: path MTU discovery learns nothing of a way whose messages are cut into pieces. */
const PACKET_BYTES = 1200

/** Where the core believes a channel to lead: to one peer, whose address is the browser's business. Discard-only (RFC 6666). */
const BEHIND = { host: '100::', port: 1 }

/** What a channel that is being negotiated has to tell the core, and what of it is not the core's. */
export interface CarriedEvents extends PacketSessionEvents {
  interrupted(): void
  malformed(): void
}

/** A channel as a carrier of packets. */
export interface CarriedChannel {
  /** Where connections are led over it. */
  readonly target: Omit<EngineAddress, 'transport'>
  /** Leads no connection over it until it opens anew. */
  interrupt(): void
  /** Closes it; connections over it lose that path. Idempotent. */
  close(): void
}

/** Where the other end of a channel is, and what the channel is unless it is WebRTC's. */
export type ChannelPlace = TransportAddress & { readonly kind?: PathKind; readonly tcp?: true }

/** Makes carriers of channels. */
export interface ChannelKeeper {
  /**
   * Lets a channel carry packets whenever it is open, until it is closed by either side.
   *
   * @param begin makes the channel, which tells the given events; its own owner may listen to them as well.
   */
  carry(begin: (events: CarriedEvents) => Channel): CarriedChannel
}

interface Entry {
  readonly channel: Channel
  isOpen: boolean
}

/** The data channels with peers, each a carrier of the core's. */
export class Channels implements ChannelKeeper {
  readonly #core: Core
  readonly #clock: Clock
  readonly #byId = new Map<number, Entry>()
  readonly #drops: Record<string, number> = {}
  #owner: SocketOwner | undefined
  #next = FIRST_ID

  constructor(core: Core, clock: Clock) {
    this.#core = core
    this.#clock = clock
  }

  async start(owner: SocketOwner): Promise<void> {
    this.#owner = owner
  }

  carry(begin: (events: CarriedEvents) => Channel): CarriedChannel {
    const id = this.#next++
    this.#owner?.tell(() => this.#core.setCarrier(id, 'webtransport', 0))
    const channel = begin({
      opened: () => this.#set(id, true),
      interrupted: () => this.#set(id, false),
      packet: (data) => {
        this.#owner?.receive(id, BEHIND.host, BEHIND.port, data, 0)
        this.#owner?.ready()
      },
      writable: () => this.#owner?.ready(),
      pause: () => new Promise((resolve) => this.#clock.setImmediate(resolve)),
      dropped: () => addAll(this.#drops, { 'webrtc-queue-full': 1 }),
      malformed: () => addAll(this.#drops, { 'webrtc-malformed': 1 }),
      closed: () => this.#remove(id),
    })
    this.#byId.set(id, { channel, isOpen: false })
    return {
      target: { carrier: id, ...BEHIND },
      interrupt: () => this.#set(id, false),
      close: () => {
        this.#remove(id)
        channel.close()
      },
    }
  }

  /** Sends packets over one; false when there is none by that id. */
  send(id: number, packets: Uint8Array, segmentBytes: number): boolean {
    const entry = this.#byId.get(id)
    entry?.channel.send(packets, segmentBytes)
    return entry !== undefined
  }

  /** Where the peer of a channel is; `undefined` when there is none by that id. */
  place(id: number): ChannelPlace | undefined {
    return this.#byId.get(id)?.channel.place
  }

  /** What the emptiest open channel takes; `undefined` where none is open. */
  get writableBytes(): number | undefined {
    let most: number | undefined
    for (const { channel, isOpen } of this.#byId.values()) if (isOpen) most = Math.max(most ?? 0, channel.writableBytes)
    return most
  }

  addDrops(sum: Record<string, number>): void {
    addAll(sum, this.#drops)
  }

  /** A connection has a path over that carrier. */
  used(_connection: number, _carrier: number): void {}

  /** A connection is gone. */
  release(_connection: number): void {}

  async closeAll(): Promise<void> {
    this.#owner = undefined
    for (const { channel } of this.#byId.values()) channel.close()
    this.#byId.clear()
  }

  #set(id: number, isOpen: boolean): void {
    const entry = this.#byId.get(id)
    if (entry === undefined) return
    entry.isOpen = isOpen
    this.#owner?.tell(() => this.#core.setCarrier(id, 'webtransport', isOpen ? PACKET_BYTES : 0))
  }

  #remove(id: number): void {
    if (this.#byId.delete(id)) this.#owner?.tell(() => this.#core.removeCarrier(id))
  }
}

/** Whether a carrier's id is a channel's. */
export function isChannel(id: number): boolean {
  return id >= FIRST_ID && id < 0x4000_0000
}
