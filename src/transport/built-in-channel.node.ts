import { joined, PacketReader } from './packet-stream.js'
import type { Channel, ChannelEvents, ChannelSignal, TransportAddress } from './transport.js'
import { RECORDS } from './webrtc-module.node.js'

/** Bytes that may wait for a channel, beside those that SCTP has taken. */
const QUEUE_BYTES = 256 * 1024

/** The largest message that packets are gathered into, as pages have it. */
const MESSAGE_BYTES = 16 * 1024

/** How often it is looked at whether a channel takes anything, and after how many looks at one that does not it counts as interrupted. */
const STUCK_CHECK_MS = 1000
const STUCK_CHECKS = 3

/** What is needed of a clock. */
export interface WebRtcClock {
  now(): number
  setTimeout(callback: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
  setImmediate(callback: () => void): void
}

/** What a channel asks of its agent. */
export interface AgentCalls {
  signal(type: ChannelSignal['type'], text: string): boolean
  send(message: Uint8Array): boolean
  close(): void
  candidates(): Promise<readonly string[]>
}

/** Packets over the one data channel of an agent, as pages have them: each behind its length in two bytes. */
export class BuiltInChannel implements Channel {
  place: TransportAddress = { host: '', port: 0 }
  readonly #events: ChannelEvents
  readonly #admit: (signal: ChannelSignal) => ChannelSignal | undefined
  readonly #clock: WebRtcClock
  readonly #agent: AgentCalls
  #waiting: Uint8Array[] = []
  #queued = 0
  #isWriting = false
  #hasChannel = false
  #isThrough = false
  #isOpen = false
  /** Looks since the channel has taken something that waits. */
  #stillness = 0
  #stuckCheck: unknown
  #over = false

  constructor(
    events: ChannelEvents,
    admit: (signal: ChannelSignal) => ChannelSignal | undefined,
    clock: WebRtcClock,
    agent: AgentCalls,
  ) {
    this.#events = events
    this.#admit = admit
    this.#clock = clock
    this.#agent = agent
  }

  get writableBytes(): number {
    return Math.max(0, QUEUE_BYTES - this.#queued)
  }

  signal(told: ChannelSignal): void {
    if (this.#over) return
    const signal = this.#admit(told)
    if (signal === undefined) return this.#events.malformed()
    if (signal.type !== 'candidate') {
      if (this.#agent.signal(signal.type, signal.sdp)) return
      // As in a page, a description that is none ends the negotiation.
      this.#events.malformed()
      this.#agent.close()
      this.#clock.setImmediate(() => this.end())
    } else if (signal.candidate !== '' && !this.#agent.signal('candidate', signal.candidate)) this.#events.malformed()
  }

  send(packets: Uint8Array, segmentBytes: number): void {
    if (!this.#isOpen) return
    const size = segmentBytes || packets.length
    for (let at = 0; at < packets.length; at += size) this.#add(packets.subarray(at, at + size))
    if (this.#isWriting || this.#queued === 0) return
    this.#isWriting = true
    // What else this turn sends goes with it.
    queueMicrotask(() => {
      this.#isWriting = false
      this.#write()
    })
  }

  close(): void {
    if (this.#over) return
    this.#write()
    this.#stop()
    this.#agent.close()
  }

  /** Takes what the module says. */
  take(kind: number, payload: Uint8Array<ArrayBuffer>): void {
    if (this.#over) return
    if (kind === RECORDS.message) this.#receive(payload)
    else if (kind === RECORDS.room) this.#write()
    else if (kind === RECORDS.offer || kind === RECORDS.answer) void this.#describe(kind, payload)
    else {
      if (kind === RECORDS.open) {
        this.#hasChannel = true
        this.#watch()
      } else this.#isThrough = kind === RECORDS.through
      this.#changed()
    }
  }

  /** The agent is gone. */
  end(): void {
    if (this.#over) return
    this.#stop()
    this.#events.closed()
  }

  /** Tells the description, and then where this side is. */
  async #describe(kind: number, payload: Uint8Array): Promise<void> {
    const type = kind === RECORDS.offer ? 'offer' : 'answer'
    this.#events.signal({ type, sdp: new TextDecoder().decode(payload) })
    for (const candidate of await this.#agent.candidates())
      if (!this.#over) this.#events.signal({ type: 'candidate', candidate, sdpMid: null, sdpMLineIndex: 0 })
  }

  #receive(payload: Uint8Array): void {
    if (payload[0] !== 1) return this.#events.malformed()
    const packets = new PacketReader()
    try {
      packets.push(payload.subarray(1), (packet) => this.#events.packet(packet))
    } catch {
      this.#events.malformed()
    }
  }

  #changed(): void {
    const isOpen = this.#hasChannel && this.#isThrough && this.#stillness <= STUCK_CHECKS
    if (this.#isOpen === isOpen) return
    this.#isOpen = isOpen
    if (isOpen) this.#events.opened()
    else this.#events.interrupted()
  }

  #add(packet: Uint8Array): void {
    if (this.#queued + packet.length + 2 > QUEUE_BYTES) return this.#events.dropped()
    // The bytes are the caller's again at once.
    this.#waiting.push(joined([Uint8Array.of(packet.length >> 8, packet.length), packet]))
    this.#queued += packet.length + 2
  }

  /** Writes what the channel takes. */
  #write(): void {
    let count = 0
    for (; !this.#over && this.#queued > 0; count++) {
      const packets = this.#fitting()
      const message = joined(this.#waiting.slice(0, packets))
      if (!this.#agent.send(message)) break
      this.#waiting.splice(0, packets)
      this.#queued -= message.length
    }
    if (count === 0) return
    this.#stillness = 0
    this.#changed()
    this.#events.writable()
  }

  /** How many of the packets that wait go into one message. */
  #fitting(): number {
    let bytes = 0
    let count = 0
    for (const { length } of this.#waiting) {
      bytes += length
      if (count > 0 && bytes > MESSAGE_BYTES) break
      count += 1
    }
    return count
  }

  #watch(): void {
    this.#stuckCheck = this.#clock.setTimeout(() => {
      this.#stillness = this.#queued > 0 ? this.#stillness + 1 : 0
      this.#changed()
      this.#watch()
    }, STUCK_CHECK_MS)
  }

  #stop(): void {
    this.#over = true
    this.#isOpen = false
    this.#clock.clearTimeout(this.#stuckCheck)
  }
}
