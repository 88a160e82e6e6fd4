import type { Engine } from '../driver/engine.js'
import { type AnypathError, DatagramTooLargeError, InvalidArgumentError, toAnypathError } from '../errors/index.js'
import { bytesOf } from './stream-code.js'

const DEFAULT_INCOMING = 1024
const DEFAULT_OUTGOING = 64
/** What is kept for an application that has not asked for datagrams yet. */
const BEFORE_FIRST_USE = 64

/** Why datagrams were lost on this side; counts only grow. */
export interface DatagramDrops {
  /** The reader was too slow, and the oldest were dropped. */
  readonly incomingFull: number
  /** Received longer than `incomingMaxAge` ago when the reader came. */
  readonly incomingExpired: number
  /** Written to a stream of datagrams, and larger than `maxDatagramSize`. */
  readonly outgoingTooLarge: number
}

/**
 * Datagrams of a connection (W3C `WebTransportDatagramDuplexStream`, RFC 9221): encrypted as everything is, and neither ordered nor
 * repeated.
 */
export class Datagrams {
  /** How many received datagrams wait for the reader; beyond it the oldest are dropped and counted. @default 1024 */
  incomingHighWaterMark = DEFAULT_INCOMING
  /** How many milliseconds a received datagram waits for the reader; `null` is forever. @default null */
  incomingMaxAge: number | null = null
  /** How many written datagrams may wait before `writer.ready` does; for writables that are made later. @default 64 */
  outgoingHighWaterMark = DEFAULT_OUTGOING
  /** Kept for the W3C interface: what waits to be sent is bounded in bytes by the core, not in time. @default null */
  outgoingMaxAge: number | null = null

  readonly #engine: Engine
  readonly #connectionId: number
  readonly #now: () => number
  readonly #queue: { readonly bytes: Uint8Array<ArrayBuffer>; readonly at: number }[] = []
  readonly #drops = { incomingFull: 0, incomingExpired: 0, outgoingTooLarge: 0 }
  #maxDatagramSize = 0
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | undefined
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  #wanted = false
  #cancelled = false
  #writable: WritableStream<Uint8Array> | undefined
  #end: AnypathError | 'closed' | undefined

  /** @internal */
  constructor(engine: Engine, connectionId: number, now: () => number) {
    this.#engine = engine
    this.#connectionId = connectionId
    this.#now = now
  }

  /** The largest datagram that the path carries now, in bytes; 0 when the remote takes none, and before `ready`. */
  get maxDatagramSize(): number {
    return this.#maxDatagramSize
  }

  /** What was lost on this side, by cause. */
  get drops(): DatagramDrops {
    return { ...this.#drops }
  }

  /** Received datagrams. Closes with the connection. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#readable ??= new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => {
          this.#wanted = true
          this.#deliver()
        },
        cancel: () => {
          this.#cancelled = true
          this.#queue.length = 0
        },
      },
      { highWaterMark: 0 },
    )
    if (this.#end !== undefined) this.end(this.#end)
    return this.#readable
  }

  /** A stream of datagrams to send: see `createWritable`. */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= this.createWritable()
    return this.#writable
  }

  /**
   * Makes a stream of datagrams to send. One that is too large is dropped and counted, as the W3C interface wants it: an error would end
   * the stream. Use `send` to be told.
   */
  createWritable(): WritableStream<Uint8Array> {
    return new WritableStream(
      {
        write: async (chunk) => {
          try {
            await this.send(chunk)
          } catch (thrown) {
            if (!(thrown instanceof DatagramTooLargeError)) throw thrown
            this.#drops.outgoingTooLarge += 1
          }
        },
      },
      { highWaterMark: this.outgoingHighWaterMark },
    )
  }

  /**
   * Sends one datagram; resolves when it is queued. When the queue is full the oldest in it are dropped.
   *
   * @throws DatagramTooLargeError when it is larger than `maxDatagramSize`.
   * @throws DatagramsUnsupportedError when the remote takes none.
   * @throws InvalidArgumentError when it is not bytes; otherwise the connection's error.
   */
  async send(datagram: Uint8Array | ArrayBuffer | ArrayBufferView): Promise<void> {
    const bytes = bytesOf(datagram)
    if (bytes === undefined) throw new InvalidArgumentError('a datagram must be an ArrayBuffer or a view of one')
    try {
      await this.#engine.sendDatagram(this.#connectionId, bytes)
    } catch (thrown) {
      const error = toAnypathError(thrown)
      if (error instanceof DatagramTooLargeError) await this.refresh()
      throw error
    }
  }

  /** @internal Asks how large a datagram may be now. */
  async refresh(): Promise<void> {
    // A connection that closes meanwhile has no answer, and needs none.
    this.#maxDatagramSize = await this.#engine.maxDatagramBytes(this.#connectionId).catch(() => this.#maxDatagramSize)
  }

  /** @internal */
  receive(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#cancelled) return
    this.#queue.push({ bytes, at: this.#now() })
    const limit =
      this.#readable === undefined ? Math.min(BEFORE_FIRST_USE, this.incomingHighWaterMark) : this.incomingHighWaterMark
    while (this.#queue.length > Math.max(1, limit)) {
      this.#queue.shift()
      this.#drops.incomingFull += 1
    }
    this.#deliver()
  }

  /** @internal */
  end(how: AnypathError | 'closed'): void {
    this.#end = how
    if (this.#controller === undefined || this.#cancelled) return
    if (how !== 'closed') {
      this.#cancelled = true
      this.#controller.error(how)
    } else {
      this.#deliver()
    }
  }

  #deliver(): void {
    const oldest = this.incomingMaxAge === null ? Number.NEGATIVE_INFINITY : this.#now() - this.incomingMaxAge
    while (this.#queue[0] !== undefined && this.#queue[0].at < oldest) {
      this.#queue.shift()
      this.#drops.incomingExpired += 1
    }
    if (this.#controller === undefined || this.#cancelled) return
    if (this.#wanted && this.#queue.length > 0) {
      this.#wanted = false
      const next = this.#queue.shift()
      if (next !== undefined) this.#controller.enqueue(next.bytes)
    }
    if (this.#end === 'closed' && this.#queue.length === 0) {
      this.#cancelled = true
      this.#controller.close()
    }
  }
}
