import { framed, joined, PacketReader } from './packet-stream.js'
import type { PacketSession, PacketSessionEvents, WebTransportDialer } from './transport.js'

/** Bytes that may wait for the stream, those of the write under way included. */
const STREAM_QUEUE_BYTES = 1024 * 1024

/** How long the stream may take nothing before it no longer holds up what else the page sends. */
const STUCK_MS = 3000

/** Datagrams that may wait until the page has time for them. Browsers drop all but one by default. */
const INCOMING_DATAGRAMS = 2048

/** Datagrams, or pieces of the stream, between two pauses: what they bring must not pile up before anybody looks at it. */
const AT_ONCE = 64

/** How long a session may go on when it is being closed, for what was sent last. */
const FAREWELL_MS = 1000

/** The part of the W3C `WebTransport` that is used. */
export interface WebTransportLike {
  readonly ready: Promise<unknown>
  readonly closed: Promise<unknown>
  readonly datagrams: {
    readonly readable: ReadableStream<Uint8Array>
    incomingHighWaterMark?: number
  }
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>
  createUnidirectionalStream(): Promise<WritableStream<Uint8Array>>
  close(): void
}

/** Begins to open a session; may throw, or reject. */
export type OpenWebTransport = (
  url: string,
  hashes: readonly Uint8Array<ArrayBuffer>[],
) => WebTransportLike | Promise<WebTransportLike>

/** Sessions of the browser's, or of something like them. */
export class WebTransportSessions implements WebTransportDialer {
  readonly takes: WebTransportDialer['takes']
  readonly #open: OpenWebTransport

  constructor(open: OpenWebTransport, takes: WebTransportDialer['takes'] = () => true) {
    this.#open = open
    this.takes = takes
  }

  dial(url: string, hashes: readonly Uint8Array<ArrayBuffer>[], events: PacketSessionEvents): PacketSession {
    return new OpenedSession(() => this.#open(url, hashes), events)
  }
}

/**
 * Packets over one session. What comes is taken from datagrams and from the remote's stream; what goes is written to a stream, many packets
 * at a time: a browser's stream is several times as fast as its datagrams, takes packets of every size, and keeps their order.
 */
class OpenedSession implements PacketSession {
  readonly #events: PacketSessionEvents
  #waiting: Uint8Array[] = []
  #queued = 0
  #transport: WebTransportLike | undefined
  #stream: WritableStreamDefaultWriter<Uint8Array> | undefined
  #writing: Promise<void> | undefined
  #movedAt = 0
  #over = false

  constructor(open: () => WebTransportLike | Promise<WebTransportLike>, events: PacketSessionEvents) {
    this.#events = events
    this.#run(this.#begin(open))
  }

  get writableBytes(): number {
    const isStuck = performance.now() - this.#movedAt >= STUCK_MS
    return isStuck ? STREAM_QUEUE_BYTES : Math.max(0, STREAM_QUEUE_BYTES - this.#queued)
  }

  send(packets: Uint8Array, segmentBytes: number): void {
    if (this.#stream === undefined) return
    const size = segmentBytes || packets.length
    for (let at = 0; at < packets.length; at += size) this.#add(packets.subarray(at, at + size))
    if (this.#writing !== undefined || this.#queued === 0) return
    this.#writing = this.#write(this.#stream)
    this.#run(this.#writing)
  }

  close(): void {
    if (this.#over) return
    this.#over = true
    const stream = this.#stream
    if (stream === undefined) return this.#shut()
    // What a write has taken may not have left yet, and a session that is closed drops it: the end of the stream comes after it.
    const shut = () => this.#shut()
    const sent = this.#writing ?? Promise.resolve()
    sent.then(() => stream.close()).then(shut, shut)
    setTimeout(shut, FAREWELL_MS)
  }

  async #begin(open: () => WebTransportLike | Promise<WebTransportLike>): Promise<void> {
    // What the browser does not take as an address or a hash, or a page's policy forbids, throws here.
    const transport = await open()
    this.#transport = transport
    if (this.#over) return this.#shut()
    this.#run(transport.closed.then(() => this.#end()))
    await transport.ready
    if (this.#over) return
    const { datagrams } = transport
    datagrams.incomingHighWaterMark = INCOMING_DATAGRAMS
    const stream = await transport.createUnidirectionalStream()
    if (this.#over) return
    this.#stream = stream.getWriter()
    this.#events.opened()
    this.#run(this.#each(datagrams.readable, (packet) => this.#receive(packet)))
    // The remote needs one stream; more are left to the browser's limits.
    const { value } = await transport.incomingUnidirectionalStreams.getReader().read()
    if (value === undefined) return
    const packets = new PacketReader()
    await this.#each(value, (bytes) => packets.push(bytes, (packet) => this.#receive(packet)))
  }

  /** Whatever fails ends the session. */
  #run(task: Promise<void>): void {
    task.catch(() => this.#end())
  }

  async #each(stream: ReadableStream<Uint8Array>, take: (value: Uint8Array) => void): Promise<void> {
    const reader = stream.getReader()
    for (let count = 1; ; count++) {
      const { value } = await reader.read()
      if (value === undefined) return
      take(value)
      if (count % AT_ONCE === 0) await this.#events.pause()
    }
  }

  #receive(packet: Uint8Array): void {
    if (!this.#over) this.#events.packet(packet)
  }

  #add(packet: Uint8Array): void {
    if (this.#queued + packet.length > STREAM_QUEUE_BYTES) return this.#events.dropped()
    this.#waiting.push(framed(packet))
    this.#queued += packet.length + 2
  }

  async #write(stream: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
    this.#movedAt = performance.now()
    // What else this turn sends goes with it.
    await undefined
    while (this.#waiting.length > 0) {
      const bytes = joined(this.#waiting)
      this.#waiting = []
      // Whoever waits for room has to look again when the stream is stuck.
      const stuck = setTimeout(() => this.#events.writable(), STUCK_MS)
      await stream.write(bytes).finally(() => clearTimeout(stuck))
      this.#movedAt = performance.now()
      this.#queued -= bytes.length
      this.#events.writable()
    }
    this.#writing = undefined
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#shut()
    this.#events.closed()
  }

  #shut(): void {
    try {
      this.#transport?.close()
    } catch {
      // It was not open yet, or is closed.
    }
  }
}
