/** Reading a byte stream by length, and writing to one in few large pieces. */
import { ProtocolError } from './protocol.js'

type Bytes = Uint8Array<ArrayBuffer>

/** Reads exact lengths from a WHATWG byte stream; keeps what is left of a chunk for the next call. */
export class ByteReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader()
  }

  /** The next bytes, at least one and at most `max`; `null` at the end. Valid until the next call. */
  async readSome(max: number): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#reader.read()
      if (done) return null
      this.#rest = value
    }
    const taken = this.#rest.subarray(0, max)
    this.#rest = this.#rest.subarray(taken.length)
    return taken
  }

  /**
   * Exactly `length` bytes in a buffer of their own; `null` when the stream ends before the first.
   *
   * @throws {ProtocolError} when the stream ends within them.
   */
  async readExact(length: number): Promise<Bytes | null> {
    const bytes = new Uint8Array(length)
    let filled = 0
    while (filled < length) {
      const some = await this.readSome(length - filled)
      if (some === null) {
        if (filled === 0) return null
        throw new ProtocolError('the stream ended in the middle of a frame')
      }
      bytes.set(some, filled)
      filled += some.length
    }
    return bytes
  }

  /** Stops reading; the remote is told so. */
  async cancel(reason?: unknown): Promise<void> {
    await this.#reader.cancel(reason).catch(() => undefined)
  }
}

const gatherBytes = 64 * 1024

/** Gathers small pieces, so that thousands of small files do not become thousands of stream writes. */
export class ByteWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  #gathered: Bytes = new Uint8Array(gatherBytes)
  #length = 0

  constructor(stream: WritableStream<Uint8Array>) {
    this.#writer = stream.getWriter()
    // The reason arrives with the next write; an unread `closed` must not become an unhandled rejection.
    this.#writer.closed.catch(() => undefined)
  }

  /** True while gathered bytes wait for {@link flush}. */
  get pending(): boolean {
    return this.#length > 0
  }

  /** Gathers a copy of `bytes`, writing the buffer out when it is full. */
  async gather(bytes: Uint8Array): Promise<void> {
    if (this.#length + bytes.length > gatherBytes) await this.flush()
    if (bytes.length > gatherBytes) return this.#writer.write(bytes)
    this.#gathered.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Writes `bytes` behind all that was gathered; resolves when they may be reused. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.flush()
    await this.#writer.write(bytes)
  }

  /** Writes out what was gathered. */
  async flush(): Promise<void> {
    if (this.#length === 0) return
    const bytes = this.#gathered.subarray(0, this.#length)
    this.#gathered = new Uint8Array(gatherBytes)
    this.#length = 0
    await this.#writer.write(bytes)
  }

  /** Writes out what was gathered and ends the stream. */
  async close(): Promise<void> {
    await this.flush()
    await this.#writer.close()
  }

  /** Abandons the stream. */
  async abort(reason?: unknown): Promise<void> {
    await this.#writer.abort(reason).catch(() => undefined)
  }
}
