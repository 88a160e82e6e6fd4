/** Received files on the disk: in one folder, under names of their own, and whole or not at all. */
import { type FileHandle, link, mkdir, open, unlink } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { isSystemError } from '../../exit.js'
import { partSuffix } from '../../transfer/paths.js'
import type { FileSink } from '../files.js'

const MAX_NAMESAKES = 1_000

/** A file that gets its name when all of it is there. */
export class SavedFile implements FileSink {
  readonly #folder: string
  readonly #name: string
  readonly #part: string
  readonly #file: FileHandle

  private constructor(folder: string, name: string, part: string, file: FileHandle) {
    this.#folder = folder
    this.#name = name
    this.#part = part
    this.#file = file
  }

  /**
   * Begins a file in a folder, which is made if it is missing.
   *
   * @param name as `cleanFileName` gives it: no folders in it
   * @param tag makes the name of the partial file its own
   */
  static async begin(folder: string, name: string, tag: string): Promise<SavedFile> {
    await mkdir(folder, { recursive: true })
    const part = join(folder, `${tag}${partSuffix}`)
    // Never through a link, never over anything: `wx` is O_CREAT | O_EXCL.
    return new SavedFile(folder, name, part, await open(part, 'wx', 0o600))
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at)
      at += bytesWritten
    }
  }

  /** Gives the file its name, or the first of `name (2).txt`, `name (3).txt`… that is free; returns the path. */
  async finish(): Promise<string> {
    await this.#file.sync()
    await this.#file.close()
    for (let count = 1; count <= MAX_NAMESAKES; count++) {
      const path = join(this.#folder, numbered(this.#name, count))
      try {
        // Unlike a rename, a link never replaces what is there.
        await link(this.#part, path)
        await unlink(this.#part)
        return path
      } catch (error) {
        if (!isSystemError(error) || error.code !== 'EEXIST') throw error
      }
    }
    throw new Error(`${this.#name} exists too often`)
  }

  /** Removes what is there of it. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined)
    await unlink(this.#part).catch(() => undefined)
  }
}

const numbered = (name: string, count: number): string => {
  if (count === 1) return name
  const extension = extname(name)
  return `${name.slice(0, name.length - extension.length)} (${count})${extension}`
}
