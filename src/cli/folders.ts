/** Where the command keeps things, by the XDG Base Directory Specification. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, rename, unlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { isSystemError } from './exit.js'

const base = (env: NodeJS.ProcessEnv, name: string, fallback: readonly string[]): string => {
  const value = env[name]
  // Relative values are invalid by the specification and have to be ignored.
  return value !== undefined && isAbsolute(value) ? value : join(env.HOME || homedir(), ...fallback)
}

/** For the identity. */
export const configFolder = (env: NodeJS.ProcessEnv): string =>
  join(base(env, 'XDG_CONFIG_HOME', ['.config']), 'anypath')

/** For what `send` has to find again. */
export const stateFolder = (env: NodeJS.ProcessEnv): string =>
  join(base(env, 'XDG_STATE_HOME', ['.local', 'state']), 'anypath')

/**
 * Makes a folder and those above it that are missing.
 *
 * Node's own `recursive` never ends where a folder that exists says that it can't hold one (as in `/proc`), and on a read-only file system
 * tells that a parent is missing.
 */
export const makeFolder = async (path: string, mode?: number): Promise<void> => {
  const make = async (): Promise<void> => {
    try {
      await mkdir(path, mode)
    } catch (error) {
      if (!(isSystemError(error) && error.code === 'EEXIST')) throw error
    }
  }
  try {
    await make()
  } catch (error) {
    const parent = dirname(path)
    if (!(isSystemError(error) && error.code === 'ENOENT') || parent === path) throw error
    await makeFolder(parent, mode)
    await make()
  }
}

/**
 * Writes a file that only its owner may read, in one step: readers see the old content or the new, never a part.
 *
 * @returns false when the file is there already and `replace` is not set.
 */
export const writePrivateFile = async (
  path: string,
  text: string,
  { replace }: { replace: boolean },
): Promise<boolean> => {
  await makeFolder(dirname(path), 0o700)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  if (replace) {
    await rename(temporary, path)
    return true
  }
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await unlink(temporary)
  }
}
