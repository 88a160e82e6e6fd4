/** Frames from a byte stream. `DATA` is handed on in pieces as it arrives; all others are whole. */
import type { ByteReader } from './bytes.js'
import { FrameType, frameHeaderBytes, maxPayloadBytes, ProtocolError } from './protocol.js'

export interface Frame {
  readonly type: number
  /** Empty for `DATA`: read that with {@link FrameReader.readData}. */
  readonly payload: Uint8Array
}

const noBytes = new Uint8Array(0)

export class FrameReader {
  readonly #bytes: ByteReader
  #dataLeft = 0

  constructor(bytes: ByteReader) {
    this.#bytes = bytes
  }

  /**
   * The next frame, or `null` at the end of the stream.
   *
   * @throws {ProtocolError} on a frame that is cut off or too large.
   */
  async next(): Promise<Frame | null> {
    if (this.#dataLeft > 0) throw new RangeError('the DATA frame before is not read to its end')
    const header = await this.#bytes.readExact(frameHeaderBytes)
    if (header === null) return null
    const type = header[0] ?? 0
    const length = new DataView(header.buffer).getUint32(1)
    if (length > maxPayloadBytes) throw new ProtocolError(`a frame of ${length} bytes is too large`)
    if (type === FrameType.data) {
      this.#dataLeft = length
      return { type, payload: noBytes }
    }
    if (length === 0) return { type, payload: noBytes }
    const payload = await this.#bytes.readExact(length)
    if (payload === null) throw new ProtocolError('the stream ended in the middle of a frame')
    return { type, payload }
  }

  /** The next piece of the current `DATA` frame, or `null` when there is no more. Valid until the next call. */
  async readData(): Promise<Uint8Array | null> {
    if (this.#dataLeft === 0) return null
    const some = await this.#bytes.readSome(this.#dataLeft)
    if (some === null) throw new ProtocolError('the stream ended in the middle of a file')
    this.#dataLeft -= some.length
    return some
  }
}
