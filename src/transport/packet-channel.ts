import { framed, joined, PacketReader } from './packet-stream.js'
import type { Channel, ChannelEvents, ChannelSignal, TransportAddress } from './transport.js'

/** Bytes that may wait for the channel, those of messages under way included. */
export const QUEUE_BYTES = 512 * 1024

/**
 * The largest message that packets are gathered into: a channel's cost is per message. Of a message that is lost in part all is lost, so it
 * must not be larger than it has to.
 */
export const MESSAGE_BYTES = 16 * 1024

/** How often it is looked at whether the channel takes anything. */
const STUCK_CHECK_MS = 1000

/**
 * After how many looks at a channel that takes nothing it counts as interrupted, so that it no longer holds up what else the page sends: the
 * event that it has room again may be lost. Looks, and not time: a page may stand still itself.
 */
const STUCK_CHECKS = 3

/** How long a channel may go on when it is being closed, for what was sent last. */
const FAREWELL_MS = 100

/** What carries the messages of a channel, here or in another thread. */
export interface MessageLink {
  /** Where the peer is, while it is known. */
  readonly place: TransportAddress
  /** Takes a signal of the peer's. */
  signal(signal: ChannelSignal): void
  /** Sends a message, whose bytes are the link's from now on, and calls `taken` when it has room for another one. */
  write(message: Uint8Array<ArrayBuffer>, taken: () => void): void
  /** Closes it. Idempotent; `closed` may follow. */
  close(): void
}

export interface LinkEvents {
  /** To be taken to the peer's `signal`. */
  signal(signal: ChannelSignal): void
  /** Whether messages come through. */
  through(isThrough: boolean): void
  /** What came in as a message, which may be no bytes. */
  message(data: unknown): void
  /** What came in, as a message or a signal, is not what it should be. */
  malformed(): void
  /** Messages of the peer's found no room on their way here. */
  dropped(): void
  /** It was closed, or could not be opened. */
  closed(): void
}

/**
 * Packets over one unordered data channel that repeats nothing: QUIC does that once. Each message is packets, each behind its length in two
 * bytes.
 */
export class PacketChannel implements Channel {
  readonly #events: ChannelEvents
  readonly #link: MessageLink
  readonly #mostUnderWay: number
  #waiting: Uint8Array[] = []
  #queued = 0
  #underWay = 0
  #isGathering = false
  /** Looks since the channel has taken something. */
  #stillness = 0
  #isThrough = false
  #isStuck = false
  #isOpen = false
  #stuckCheck: ReturnType<typeof setInterval> | undefined
  #over = false

  /**
   * @param connect begins what carries the messages. It may call nothing of what it is given before it returns.
   * @param mostUnderWay how many messages the link is given before it has taken the first of them.
   */
  constructor(events: ChannelEvents, connect: (events: LinkEvents) => MessageLink, mostUnderWay = 1) {
    this.#events = events
    this.#mostUnderWay = mostUnderWay
    this.#link = connect({
      signal: (signal) => this.#over || events.signal(signal),
      through: (isThrough) => this.#through(isThrough),
      message: (data) => this.#receive(data),
      malformed: () => this.#over || events.malformed(),
      dropped: () => this.#over || events.dropped(),
      closed: () => this.#end(),
    })
  }

  get place(): TransportAddress {
    return this.#link.place
  }

  get writableBytes(): number {
    return Math.max(0, QUEUE_BYTES - this.#queued)
  }

  signal(signal: ChannelSignal): void {
    if (!this.#over) this.#link.signal(signal)
  }

  send(packets: Uint8Array, segmentBytes: number): void {
    if (!this.#isOpen) return
    const size = segmentBytes || packets.length
    for (let at = 0; at < packets.length; at += size) this.#add(packets.subarray(at, at + size))
    if (this.#isGathering || this.#underWay > 0 || this.#queued === 0) return
    this.#isGathering = true
    this.#stillness = 0
    // What else this turn sends goes with it.
    queueMicrotask(() => {
      this.#isGathering = false
      this.#write()
    })
  }

  close(): void {
    if (this.#over) return
    this.#stop()
    if (this.#underWay > 0) setTimeout(() => this.#link.close(), FAREWELL_MS)
    else this.#link.close()
  }

  #through(isThrough: boolean): void {
    if (this.#over) return
    this.#stuckCheck ??= setInterval(() => this.#checkStuck(), STUCK_CHECK_MS)
    this.#isThrough = isThrough
    this.#update()
  }

  #checkStuck(): void {
    if (this.#underWay === 0 || ++this.#stillness <= STUCK_CHECKS) return
    this.#isStuck = true
    this.#update()
  }

  #update(): void {
    const isOpen = this.#isThrough && !this.#isStuck
    if (this.#isOpen === isOpen) return
    this.#isOpen = isOpen
    if (isOpen) this.#events.opened()
    else this.#events.interrupted()
  }

  #receive(data: unknown): void {
    if (this.#over) return
    if (!(data instanceof Uint8Array)) return this.#events.malformed()
    const packets = new PacketReader()
    try {
      packets.push(data, (packet) => this.#events.packet(packet))
    } catch {
      this.#events.malformed()
    }
  }

  #add(packet: Uint8Array): void {
    if (this.#queued + packet.length > QUEUE_BYTES) return this.#events.dropped()
    this.#waiting.push(framed(packet))
    this.#queued += packet.length + 2
  }

  /** Sends messages; the next ones when the channel has room. */
  #write(): void {
    while (!this.#over && this.#underWay < this.#mostUnderWay && this.#waiting.length > 0) {
      const message = joined(this.#waiting.splice(0, this.#fitting()))
      const { length } = message
      this.#underWay += 1
      this.#link.write(message, () => this.#taken(length))
    }
  }

  #taken(bytes: number): void {
    this.#underWay -= 1
    this.#queued -= bytes
    if (this.#over) return
    this.#stillness = 0
    this.#isStuck = false
    this.#update()
    this.#events.writable()
    this.#write()
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

  #stop(): void {
    this.#over = true
    this.#isOpen = false
    clearInterval(this.#stuckCheck)
  }

  #end(): void {
    if (this.#over) return
    this.#stop()
    this.#events.closed()
  }
}
