/** The folder that is received into. Nothing outside it is created, opened or changed. */
import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { constants } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, realpath, rename, stat, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { CliError, ExitCode, isSystemError } from '../exit.js'
import { makeFolder } from '../folders.js'
import { partSuffix, UnsafePath } from './paths.js'

const maxNameBytes = 255

/** What is at a place before a file is received there. */
export interface Existing {
  /** Size of a regular file under the final name. */
  readonly finalSize: number | undefined
  /** Size of a partial file. */
  readonly partSize: number | undefined
}

const lstatOrNothing = async (path: string): Promise<Stats | undefined> =>
  lstat(path).catch((error: unknown) => {
    if (isSystemError(error) && error.code === 'ENOENT') return undefined
    throw error
  })

/** The name of the partial file beside the final one; hashed where the suffix would make it too long. */
const partName = (name: string): string => {
  const plain = `${name}${partSuffix}`
  if (Buffer.byteLength(plain) <= maxNameBytes) return plain
  return `${createHash('sha256').update(name).digest('hex').slice(0, 32)}${partSuffix}`
}

const linkUnsupported = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES'])

export class TargetFolder {
  /** The folder, with its symbolic links resolved: the user chose it, so those above it are trusted. */
  readonly root: string
  readonly #checked = new Set<string>()
  /** Folders that did not exist before: nothing can be in the way in them. */
  readonly #fresh = new Set<string>()

  private constructor(root: string) {
    this.root = root
  }

  /** Opens the folder, creating it where it does not exist. */
  static async open(path: string): Promise<TargetFolder> {
    await makeFolder(path)
    const root = await realpath(path)
    if (!(await stat(root)).isDirectory())
      throw new CliError(ExitCode.localIo, 'ENOTDIR', `${path}: not a folder (ENOTDIR)`)
    return new TargetFolder(root)
  }

  /** Free bytes that this user may fill. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.root)
    return bavail * bsize
  }

  /**
   * Creates a folder and those above it.
   *
   * @throws {UnsafePath} when one of them is a symbolic link or not a folder.
   */
  async ensureFolder(names: readonly string[]): Promise<void> {
    let path = this.root
    let fresh = false
    for (const [depth, name] of names.entries()) {
      path = join(path, name)
      if (this.#checked.has(path)) {
        fresh = this.#fresh.has(path)
        continue
      }
      fresh = (await this.#ensureOne(path, names.slice(0, depth + 1).join('/'))) || fresh
      this.#checked.add(path)
      if (fresh) this.#fresh.add(path)
    }
  }

  async #ensureOne(path: string, shown: string): Promise<boolean> {
    const created = await mkdir(path).then(
      () => true,
      (error: unknown) => {
        if (isSystemError(error) && error.code === 'EEXIST') return false
        throw error
      },
    )
    const info = await lstat(path)
    if (info.isSymbolicLink()) throw new UnsafePath(shown, 'is a symbolic link in the target folder')
    if (!info.isDirectory()) throw new UnsafePath(shown, 'exists in the target folder and is not a folder')
    return created
  }

  /**
   * Looks at the place of a file whose folder exists.
   *
   * @throws {UnsafePath} when a symbolic link, a folder or a special file is in the way.
   */
  async inspect(names: readonly string[]): Promise<Existing> {
    if (this.#fresh.has(join(this.root, ...names.slice(0, -1)))) return { finalSize: undefined, partSize: undefined }
    const [final, part] = await Promise.all([
      lstatOrNothing(this.finalPath(names)),
      lstatOrNothing(this.partPath(names)),
    ])
    for (const [info, what] of [
      [final, ''],
      [part, 'its partial file '],
    ] as const) {
      if (info === undefined || info.isFile()) continue
      const kind = info.isSymbolicLink() ? 'a symbolic link' : info.isDirectory() ? 'a folder' : 'a special file'
      throw new UnsafePath(names.join('/'), `${what}is ${kind} in the target folder`)
    }
    return { finalSize: final?.size, partSize: part?.size }
  }

  finalPath(names: readonly string[]): string {
    return join(this.root, ...names)
  }

  partPath(names: readonly string[]): string {
    return join(this.root, ...names.slice(0, -1), partName(names.at(-1) ?? ''))
  }

  /** Opens the partial file for reading and writing, creating it where it does not exist; never through a link. */
  openPart(names: readonly string[]): Promise<FileHandle> {
    const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)
    return open(this.partPath(names), flags, 0o666)
  }

  /** Opens the file under the final name for reading; never through a link. */
  openFinal(names: readonly string[]): Promise<FileHandle> {
    return open(this.finalPath(names), constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  }

  async removePart(names: readonly string[]): Promise<void> {
    await unlink(this.partPath(names)).catch(() => undefined)
  }

  /**
   * Gives a partial file its final name in one step.
   *
   * @returns false when something has appeared under that name and `overwrite` is not set; the partial file stays then.
   */
  async publish(names: readonly string[], overwrite: boolean): Promise<boolean> {
    const [part, final] = [this.partPath(names), this.finalPath(names)]
    if (overwrite) {
      await rename(part, final)
      return true
    }
    try {
      // Unlike rename, link never replaces what is there.
      await link(part, final)
    } catch (error) {
      if (!isSystemError(error)) throw error
      if (error.code === 'EEXIST') return false
      if (!linkUnsupported.has(error.code ?? '')) throw error
      if ((await lstatOrNothing(final)) !== undefined) return false
      await rename(part, final)
      return true
    }
    await unlink(part)
    return true
  }

  /** Makes the names in a folder survive a power loss; does nothing where folders can't be synced. */
  async syncFolder(names: readonly string[]): Promise<void> {
    const folder = await open(join(this.root, ...names)).catch(() => undefined)
    await folder?.sync().catch(() => undefined)
    await folder?.close()
  }
}
