/** One file on the sender's disk, and whether it stays what it was while it is read. */
import type { BigIntStats } from 'node:fs'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { isSystemError } from '../exit.js'
import type { FileEntry } from './protocol.js'

/** The file is not, or not any more, what the manifest says. */
export class SourceChanged extends Error {
  override readonly name = 'SourceChanged'
}

const sameFile = (a: BigIntStats, b: BigIntStats): boolean =>
  a.size === b.size && a.mtimeNs === b.mtimeNs && a.ino === b.ino && a.dev === b.dev

export class SourceFile {
  readonly handle: FileHandle
  readonly size: number
  readonly #opened: BigIntStats

  private constructor(handle: FileHandle, opened: BigIntStats) {
    this.handle = handle
    this.#opened = opened
    this.size = Number(opened.size)
  }

  /**
   * Opens the file of a manifest entry.
   *
   * @throws {SourceChanged} when it is gone, is another kind of file, or has another size than when it was listed.
   */
  static async open(location: string, entry: FileEntry): Promise<SourceFile> {
    // O_NONBLOCK: a FIFO that took the file's place must not block the sender.
    const handle = await open(location, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error: unknown) => {
      if (isSystemError(error) && error.code === 'ENOENT') throw new SourceChanged('it was removed after it was listed')
      throw error
    })
    try {
      const opened = await handle.stat({ bigint: true })
      if (!opened.isFile()) throw new SourceChanged('it is not a regular file any more')
      if (opened.size !== BigInt(entry.size))
        throw new SourceChanged(`its size changed from ${entry.size} to ${opened.size} bytes`)
      return new SourceFile(handle, opened)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** @throws {SourceChanged} when the file was written to since it was opened. */
  async checkUnchanged(): Promise<void> {
    if (!sameFile(this.#opened, await this.handle.stat({ bigint: true }))) {
      throw new SourceChanged('it was written to while it was being sent')
    }
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

/** The whole of a small file. @throws {SourceChanged} as {@link SourceFile} does. */
export const readSmall = async (location: string, entry: FileEntry): Promise<Buffer> => {
  const file = await SourceFile.open(location, entry)
  try {
    const content = Buffer.alloc(entry.size)
    const { bytesRead } = entry.size === 0 ? { bytesRead: 0 } : await file.handle.read(content, 0, entry.size, 0)
    if (bytesRead !== entry.size) throw new SourceChanged('it became shorter while it was being sent')
    await file.checkUnchanged()
    return content
  } finally {
    await file.close()
  }
}
