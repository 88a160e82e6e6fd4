import { WebSocket } from 'ws'
import { framed, joined, PacketReader } from './packet-stream.js'
import type { PacketSession, PacketSessionEvents, WebTransportDialer } from './transport.js'

/** The subprotocols of WebTransport over WebSocket (draft-richter-webtransport-websocket) as its implementation has them, the best first. */
export const SUBPROTOCOLS = ['webtransport_kDraft2', 'webtransport_kDraft1']

/** The largest message that is taken. */
export const MAX_MESSAGE_BYTES = 64 * 1024

/** What one message has at most: what the draft's implementation sends as one datagram. */
const PAYLOAD_BYTES = 16 * 1024

/** Bytes that may wait, those that the socket has taken and not sent included. */
const QUEUE_BYTES = 1024 * 1024

/** How long a socket may take nothing before it no longer holds up what else is sent, and before it counts as dead. */
const STUCK_MS = 3000
const DEAD_MS = 15_000
const CHECK_MS = 1000

/** Packets between two pauses: what comes must not pile up before anybody looks at it. */
const AT_ONCE = 256

/** No packet of QUIC is shorter (RFC 9000 section 10.3): a message of such would cost far more than it does to send. */
const MIN_PACKET_BYTES = 21

/** What TCP, TLS and the upgrade may take. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** A certificate that nobody vouches for is as good as none, and none is needed. */
const CLIENT_OPTIONS = {
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  maxPayload: MAX_MESSAGE_BYTES,
  perMessageDeflate: false,
  followRedirects: false,
  rejectUnauthorized: false,
}

/** How long a socket may go on when it is being closed, for what was sent last. */
const FAREWELL_MS = 500

/** Types of capsules (RFC 9297 section 3.2) as their first bytes: a datagram, and the end of the session. */
const DATAGRAM = 0
const CLOSE_SESSION = [0x68, 0x43]

/**
 * Packets over one session of WebTransport over WebSocket. All datagrams of a direction together are one stream of packets, each behind its
 * length in two bytes: a WebSocket loses nothing and keeps the order, and its cost is per message.
 */
export class WebSocketSession implements PacketSession {
  readonly #socket: WebSocket
  readonly #events: PacketSessionEvents
  readonly #packets = new PacketReader()
  #waiting: Uint8Array[] = []
  #queued = 0
  #movedAt = 0
  #isFlushing = false
  /** Packets since the last pause. */
  #received = 0
  #check: ReturnType<typeof setInterval> | undefined
  #over = false

  /** @param socket open, or being opened. */
  constructor(socket: WebSocket, events: PacketSessionEvents) {
    this.#socket = socket
    this.#events = events
    socket.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary))
    // `close` follows.
    socket.on('error', () => {})
    socket.on('close', () => this.#end())
    if (socket.readyState === WebSocket.OPEN) this.#opened()
    else socket.once('open', () => this.#opened())
  }

  get writableBytes(): number {
    return this.#stillMs >= STUCK_MS ? QUEUE_BYTES : Math.max(0, QUEUE_BYTES - this.#queued)
  }

  send(packets: Uint8Array, segmentBytes: number): void {
    if (this.#over || this.#socket.readyState !== WebSocket.OPEN) return
    const size = segmentBytes || packets.length
    for (let at = 0; at < packets.length; at += size) this.#add(packets.subarray(at, at + size))
    if (this.#isFlushing || this.#waiting.length === 0) return
    this.#isFlushing = true
    // What else this turn sends goes with it.
    queueMicrotask(() => this.#flush())
  }

  close(): void {
    if (this.#over) return
    // What this turn has sent goes first.
    this.#flush()
    this.#stop()
    this.#socket.close()
    setTimeout(() => this.#socket.terminate(), FAREWELL_MS).unref()
  }

  /** How long nothing has left of what waits. */
  get #stillMs(): number {
    return this.#queued === 0 ? 0 : performance.now() - this.#movedAt
  }

  #opened(): void {
    if (this.#over) return
    this.#check = setInterval(() => {
      if (this.#stillMs >= DEAD_MS) this.#socket.terminate()
      // Whoever waits for room has to look again.
      else if (this.#stillMs >= STUCK_MS) this.#events.writable()
    }, CHECK_MS).unref()
    this.#events.opened()
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#over) return
    if (!isBinary || data.length === 0) return this.#socket.terminate()
    if (data[0] !== DATAGRAM) {
      // Other capsules are about streams, of which there are none, and may be left out.
      if (CLOSE_SESSION.every((byte, at) => data[at] === byte)) this.#socket.close()
      return
    }
    try {
      this.#packets.push(new Uint8Array(data.buffer, data.byteOffset + 1, data.length - 1), this.#take)
    } catch {
      return this.#socket.terminate()
    }
    if (this.#received < AT_ONCE) return
    this.#received = 0
    this.#socket.pause()
    void this.#events.pause().then(() => this.#socket.resume())
  }

  #take = (packet: Uint8Array): void => {
    if (packet.length < MIN_PACKET_BYTES) throw new RangeError()
    this.#received += 1
    this.#events.packet(packet)
  }

  #add(packet: Uint8Array): void {
    if (this.#queued + packet.length > QUEUE_BYTES) return this.#events.dropped()
    if (this.#queued === 0) this.#movedAt = performance.now()
    this.#waiting.push(framed(packet))
    this.#queued += packet.length + 2
  }

  #flush(): void {
    this.#isFlushing = false
    if (this.#over) return
    while (this.#waiting.length > 0) {
      const message = joined([Uint8Array.of(DATAGRAM), ...this.#waiting.splice(0, this.#fitting())])
      this.#socket.send(message, { binary: true }, () => {
        this.#movedAt = performance.now()
        this.#queued -= message.length - 1
        if (!this.#over) this.#events.writable()
      })
    }
  }

  /** How many of the packets that wait go into one message. */
  #fitting(): number {
    let bytes = 0
    let count = 0
    for (const { length } of this.#waiting) {
      bytes += length
      if (count > 0 && bytes > PAYLOAD_BYTES) break
      count += 1
    }
    return count
  }

  #stop(): void {
    this.#over = true
    clearInterval(this.#check)
  }

  #end(): void {
    if (this.#over) return
    this.#stop()
    this.#events.closed()
  }
}

/** Sessions to peers over TCP. A certificate is not looked at: who the peer is, the handshake inside tells. */
export class WebSocketSessions implements WebTransportDialer {
  takes(name: string | undefined): boolean {
    return name !== undefined
  }

  dial(url: string, _hashes: readonly Uint8Array[], events: PacketSessionEvents): PacketSession {
    try {
      return new WebSocketSession(new WebSocket(url, SUBPROTOCOLS, CLIENT_OPTIONS), events)
    } catch {
      // A ticket may name what is no host.
      queueMicrotask(() => events.closed())
      return { writableBytes: 0, send() {}, close() {} }
    }
  }
}
