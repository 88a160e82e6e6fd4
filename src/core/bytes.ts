import { createError } from '../errors/index.js'

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Reads little-endian fields of the boundary's formats. Reading past the end throws `InternalError`: the core wrote it. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number
  offset: number

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.offset = offset
    this.#end = end
  }

  get remaining(): number {
    return this.#end - this.offset
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true)
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true)
  }

  bool(): boolean {
    return this.u8() !== 0
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const start = this.#take(length)
    return this.#bytes.slice(start, start + length) as Uint8Array<ArrayBuffer>
  }

  /** A view of the next `length` bytes, as long-lived as the bytes that are read. */
  view(length: number): Uint8Array {
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  text(length: number): string {
    return decoder.decode(this.view(length))
  }

  #take(length: number): number {
    const start = this.offset
    if (length > this.#end - start)
      throw createError('InternalError', `the core's record ends ${length} bytes too early`)
    this.offset = start + length
    return start
  }
}

/** Writes little-endian fields of the boundary's formats into a buffer that grows. */
export class ByteWriter {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** What was written; a view that is valid until the next write. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length)
  }

  u8(value: number): this {
    const start = this.#take(1)
    this.#view.setUint8(start, value)
    return this
  }

  u16(value: number): this {
    const start = this.#take(2)
    this.#view.setUint16(start, value, true)
    return this
  }

  u32(value: number): this {
    const start = this.#take(4)
    this.#view.setUint32(start, value, true)
    return this
  }

  u64(value: bigint): this {
    const start = this.#take(8)
    this.#view.setBigUint64(start, value, true)
    return this
  }

  f64(value: number): this {
    const start = this.#take(8)
    this.#view.setFloat64(start, value, true)
    return this
  }

  bytes(bytes: Uint8Array): this {
    const start = this.#take(bytes.length)
    this.#bytes.set(bytes, start)
    return this
  }

  /** Bytes after their length as u8. Throws `InvalidArgument` naming `what` when they are more than 255. */
  bytes8(bytes: Uint8Array, what: string): this {
    if (bytes.length > 0xff) throw createError('InvalidArgument', `${what} is longer than 255 bytes`)
    return this.u8(bytes.length).bytes(bytes)
  }

  /** Bytes after their length as u16. Throws `InvalidArgument` naming `what` when they are more than 65,535. */
  bytes16(bytes: Uint8Array, what: string): this {
    if (bytes.length > 0xffff) throw createError('InvalidArgument', `${what} is longer than 65535 bytes`)
    return this.u16(bytes.length).bytes(bytes)
  }

  text16(text: string, what: string): this {
    return this.bytes16(encoder.encode(text), what)
  }

  /** Where so many bytes go. It may replace the view, which therefore is read after it. */
  #take(length: number): number {
    const start = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return start
  }
}
