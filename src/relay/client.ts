import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Forwarding } from './forwarding.js'
import { PING_BYTES, pingFrame, type Status, Status as StatusCode, type Subprotocol, statusFrame } from './frames.js'
import type { MutableMetrics } from './metrics.js'
import type { RelayLimits } from './options.js'
import { Opcode, Outbox, type TurnEnd } from './outbox.js'
import type { Endpoint, Registry } from './registry.js'
import { TokenBucket } from './token-bucket.js'

export interface ClientContext {
  readonly limits: RelayLimits
  readonly metrics: MutableMetrics
  readonly registry: Registry
  readonly forwarding: Forwarding
  readonly turnEnd: TurnEnd
  /** Milliseconds on a monotonic clock. */
  readonly now: () => number
}

/** How long the closing handshake may take before the socket is cut. */
const CLOSE_GRACE_MS = 2_000

/** One connection that has proven its key. */
export class Client {
  readonly key: Buffer
  readonly endpoint: Endpoint
  readonly #webSocket: WebSocket
  readonly #socket: Socket
  readonly #protocol: Subprotocol
  readonly #context: ClientContext
  readonly #outbox: Outbox
  readonly #bytes: TokenBucket
  readonly #messages: TokenBucket
  #charged: number
  #heardAt: number
  #pingAfterMs: number
  #pingedAt: number | undefined
  #resumeTimer: NodeJS.Timeout | undefined
  #toldRateLimit = false
  #closing = false
  #ended = false

  constructor(key: Buffer, webSocket: WebSocket, socket: Socket, context: ClientContext) {
    const { limits, now } = context
    this.key = key
    this.#webSocket = webSocket
    this.#socket = socket
    this.#protocol = webSocket.protocol as Subprotocol
    this.#context = context
    this.#outbox = new Outbox(socket, context)
    this.#charged = socket.bytesRead
    this.#heardAt = now()
    this.#bytes = new TokenBucket(limits.bytesPerSecond, limits.burstBytes, now())
    this.#messages = new TokenBucket(limits.messagesPerSecond, limits.messagesPerSecond, now())
    this.#pingAfterMs = this.#jittered()
    webSocket.on('message', this.#onMessage)
    webSocket.on('ping', (payload) => this.#onControl(payload, true))
    webSocket.on('pong', (payload) => this.#onControl(payload, false))
    webSocket.on('error', () => this.#onError())
    webSocket.on('close', () => this.#onClose())
    context.metrics.accepted++
    this.endpoint = context.registry.add(this)
  }

  /** Others' data, which may be dropped; tells whether it was taken. */
  offer(message: Uint8Array): boolean {
    return this.#outbox.offer(message)
  }

  /** One of the relay's own messages. */
  send(message: Uint8Array): void {
    this.#outbox.send(message)
  }

  sendStatus(status: Status): void {
    const frame = statusFrame(status, this.#protocol)
    if (frame !== undefined) this.send(frame)
  }

  /** Ends the connection with a WebSocket close code; one that does not answer is cut after a moment. */
  close(code: number, reason: string): void {
    if (this.#closing) return
    this.#closing = true
    this.#outbox.flush()
    this.#webSocket.close(code, reason)
    this.#resume()
    setTimeout(() => this.#webSocket.terminate(), CLOSE_GRACE_MS).unref()
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.#closing = true
    this.#webSocket.terminate()
  }

  /** What time brings: pings, a ping that was not answered, and data that has waited too long. */
  tick(now: number): void {
    const { limits, metrics } = this.#context
    this.#outbox.expire(now)
    if (this.#resumeTimer === undefined) this.#charge(now, 0)
    else this.#heardAt = now
    if (this.#pingedAt !== undefined) {
      if (now - this.#pingedAt < limits.pingTimeoutMs) return
      metrics.pingTimeouts++
      this.terminate()
    } else if (now - this.#heardAt >= this.#pingAfterMs) {
      this.#pingedAt = now
      this.#pingAfterMs = this.#jittered()
      metrics.pingsSent++
      this.send(pingFrame(randomBytes(PING_BYTES)))
    }
  }

  readonly #onMessage = (message: Buffer, isBinary: boolean): void => {
    if (this.#closing) return
    const now = this.#context.now()
    this.#hear(now)
    if (!isBinary || !this.#context.forwarding.handle(this, message)) {
      this.#context.metrics.protocolErrors++
      this.close(isBinary ? 1002 : 1003, 'not a message of the relay protocol')
      return
    }
    this.#charge(now, 1)
  }

  /** The WebSocket library would answer pings without a bound on what it buffers. */
  #onControl(payload: Buffer, answer: boolean): void {
    const now = this.#context.now()
    this.#hear(now)
    if (answer) this.#outbox.send(payload, Opcode.pong)
    this.#charge(now, 1)
  }

  /** Whatever comes shows that the client lives. */
  #hear(now: number): void {
    this.#heardAt = now
    this.#pingedAt = undefined
  }

  /** Takes what was read from the client's allowance, and stops reading until that is made up for. */
  #charge(now: number, messages: number): void {
    const { bytesRead } = this.#socket
    const bytes = bytesRead - this.#charged
    this.#charged = bytesRead
    const waitMs = Math.max(this.#bytes.take(bytes, now), this.#messages.take(messages, now))
    if (waitMs <= 0 || this.#resumeTimer !== undefined || this.#closing) return
    this.#context.metrics.rateLimited++
    this.#webSocket.pause()
    this.#resumeTimer = setTimeout(() => this.#resume(), waitMs)
    if (this.#toldRateLimit) return
    this.#toldRateLimit = true
    this.sendStatus(StatusCode.rateLimited)
  }

  #resume(): void {
    clearTimeout(this.#resumeTimer)
    this.#resumeTimer = undefined
    this.#webSocket.resume()
  }

  #jittered(): number {
    return this.#context.limits.pingIntervalMs * (1 + Math.random() / 5)
  }

  /** What came is no WebSocket frame, or too long; the library has begun to close, and would wait for long. */
  #onError(): void {
    this.#context.metrics.protocolErrors++
    this.close(1002, 'not a frame of the WebSocket protocol')
  }

  #onClose(): void {
    if (this.#ended) return
    this.#ended = true
    this.#closing = true
    clearTimeout(this.#resumeTimer)
    this.#outbox.close()
    this.#context.metrics.disconnected++
    this.#context.registry.remove(this)
  }
}
