/** Collects a received file as a Blob, in pieces that the browser may move to the disk. */
import type { FileSink } from '../../../src/cli/chat/files.js'

/** More than this a tab should not be asked to hold; the command writes to the disk. */
export const MAX_TAB_FILE_BYTES = 1024 ** 3
const PIECE_BYTES = 4 * 1024 * 1024

export class BlobSink implements FileSink {
  #pieces: Blob[] = []
  #fresh: Uint8Array<ArrayBuffer>[] = []
  #freshBytes = 0

  write(bytes: Uint8Array): void {
    this.#fresh.push(Uint8Array.from(bytes))
    this.#freshBytes += bytes.length
    if (this.#freshBytes >= PIECE_BYTES) this.#seal()
  }

  blob(): Blob {
    this.#seal()
    return new Blob(this.#pieces)
  }

  #seal(): void {
    this.#pieces.push(new Blob(this.#fresh))
    this.#fresh = []
    this.#freshBytes = 0
  }
}
