/** What `anypath send` offers: the files and folders below the paths that the user named. */
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { CliError, ExitCode, isSystemError, UsageError } from '../exit.js'
import { PathSet, printable, UnsafePath } from './paths.js'
import type { Entry } from './protocol.js'

/** An entry and where its bytes are. */
export interface Source {
  readonly entry: Entry
  readonly location: string
}

export interface Manifest {
  readonly sources: readonly Source[]
  readonly files: number
  readonly folders: number
  readonly totalBytes: number
  /** What is left out: symbolic links and special files, which are never followed or opened. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[]
}

const nameOf = async (path: string): Promise<string> => {
  const name = basename(resolve(path))
  if (name !== '') return name
  const real = basename(await realpath(path))
  if (real === '') throw new UsageError(`${path} has no name that a receiver could use`)
  return real
}

class Scan {
  readonly sources: Source[] = []
  readonly skipped: { path: string; reason: string }[] = []
  totalBytes = 0
  files = 0
  readonly #paths = new PathSet({ portable: false })
  readonly #signal: AbortSignal | undefined

  constructor(signal?: AbortSignal) {
    this.#signal = signal
  }

  async add(location: string, path: string, follow: boolean): Promise<void> {
    this.#signal?.throwIfAborted()
    if (path.includes('\ufffd')) throw new UnsafePath(path, 'the name is not UTF-8')
    const info = await (follow ? stat(location) : lstat(location))
    if (info.isDirectory()) return this.#addFolder(location, path)
    if (info.isFile()) {
      this.#paths.add(path, 'file')
      this.sources.push({
        location,
        entry: { kind: 'file', path, size: info.size, executable: (info.mode & 0o100) !== 0 },
      })
      this.files += 1
      this.totalBytes += info.size
      return
    }
    this.skipped.push({
      path: printable(path),
      reason: info.isSymbolicLink() ? 'a symbolic link' : 'not a regular file',
    })
  }

  async #addFolder(location: string, path: string): Promise<void> {
    this.#paths.add(path, 'folder')
    this.sources.push({ location, entry: { kind: 'folder', path } })
    const names = await readdir(location)
    names.sort()
    for (const name of names) {
      try {
        await this.add(join(location, name), `${path}/${name}`, false)
      } catch (error) {
        // Removed between listing and looking: it is not part of what is sent.
        if (isSystemError(error) && error.code === 'ENOENT') continue
        throw error
      }
    }
  }
}

/**
 * Lists what is below the given paths, in a stable order. A path given by the user may be a symbolic link; links further
 * down are skipped.
 *
 * @throws {CliError} with exit code 8 when something can't be read or has a name that can't be sent, and with 2 when two
 * paths have the same last name.
 */
export const scanManifest = async (paths: readonly string[], signal?: AbortSignal): Promise<Manifest> => {
  const scan = new Scan(signal)
  const names = new Map<string, string>()
  for (const path of paths) {
    const name = await nameOf(path)
    const other = names.get(name)
    if (other !== undefined) throw new UsageError(`${other} and ${path} would both be received as "${printable(name)}"`)
    names.set(name, path)
    try {
      await scan.add(path, name, true)
    } catch (error) {
      if (!(error instanceof UnsafePath)) throw error
      throw new CliError(ExitCode.localIo, error.code, `cannot send ${error.message}`, { cause: error })
    }
  }
  const { sources, files, totalBytes, skipped } = scan
  return { sources, files, folders: sources.length - files, totalBytes, skipped }
}
