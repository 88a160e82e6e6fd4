/** A large file while it is received: written in large pieces, two of them in turn, and hashed on the way. */
import type { Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { hashFile, sha256 } from './hash.js'
import type { Wanted } from './plan.js'
import type { TargetFolder } from './target.js'

/**
 * How many bytes may be in memory only: at most two such pieces, so that a kill loses less than the 1 MiB that a resumed
 * transfer may repeat.
 */
const pieceBytes = 256 * 1024

const writeAll = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  let written = 0
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written)
    written += bytesWritten
  }
}

/** Gives a file the executable bit wherever it may be read. */
const makeExecutable = async (file: FileHandle): Promise<void> => {
  const { mode } = await file.stat()
  await file.chmod((mode & 0o777) | ((mode & 0o444) >> 2))
}

export class PartFile {
  readonly #handle: FileHandle
  readonly #whole: Hash
  readonly #buffers = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)] as const
  #current = 0
  #filled = 0
  #position: number
  #writing: Promise<void> = Promise.resolve()

  private constructor(handle: FileHandle, position: number, whole: Hash) {
    this.#handle = handle
    this.#position = position
    this.#whole = whole
  }

  /**
   * Opens the partial file and cuts it off at `offset`.
   *
   * @param held the running hash over `offset` bytes where it is known; else they are read again.
   */
  static async open(target: TargetFolder, names: readonly string[], offset: number, held?: Hash): Promise<PartFile> {
    const handle = await target.openPart(names)
    try {
      await handle.truncate(offset)
      if (offset === 0) return new PartFile(handle, 0, sha256())
      const whole = held ?? (await PartFile.#rehash(handle, offset))
      return new PartFile(handle, offset, whole)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  static async #rehash(handle: FileHandle, size: number): Promise<Hash> {
    const { running } = await hashFile(handle, size)
    return running
  }

  /** How many bytes the file has, those in memory included. */
  get length(): number {
    return this.#position + this.#filled
  }

  /** Takes a copy of the next bytes. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#whole.update(bytes)
    let rest = bytes
    while (rest.length > 0) {
      const buffer = this.#buffers[this.#current] ?? this.#buffers[0]
      const taken = rest.subarray(0, pieceBytes - this.#filled)
      buffer.set(taken, this.#filled)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (this.#filled === pieceBytes) await this.#flush()
    }
  }

  /** Begins to write the filled buffer, once the other one is written. */
  async #flush(): Promise<void> {
    await this.#writing
    const buffer = this.#buffers[this.#current] ?? this.#buffers[0]
    const piece = buffer.subarray(0, this.#filled)
    this.#writing = writeAll(this.#handle, piece, this.#position)
    this.#writing.catch(() => undefined)
    this.#position += this.#filled
    this.#filled = 0
    this.#current = 1 - this.#current
  }

  /** Writes and syncs everything; resolves with the SHA-256 of the whole file. The file stays open. */
  async complete({ entry }: Wanted): Promise<Buffer> {
    await this.#flush()
    await this.#writing
    if (entry.executable) await makeExecutable(this.#handle)
    await this.#handle.sync()
    return this.#whole.digest()
  }

  /** Writes what is in memory as far as it can, and closes: what is there is used when the transfer is resumed. */
  async close(): Promise<void> {
    await this.#flush().catch(() => undefined)
    await this.#writing.catch(() => undefined)
    await this.#handle.close()
  }
}

/** Writes a small file that is whole in memory to its partial file, synced. */
export const writeSmall = async (
  target: TargetFolder,
  { names, entry }: Wanted,
  content: Uint8Array,
): Promise<void> => {
  const handle = await target.openPart(names)
  try {
    await handle.truncate(0)
    await writeAll(handle, content, 0)
    if (entry.executable) await makeExecutable(handle)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
