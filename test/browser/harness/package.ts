import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after } from 'node:test'
import { pathToFileURL } from 'node:url'

/** A project of a user, outside of this checkout. */
export interface UserProject {
  readonly folder: string
  /** `dist` of the installed package. */
  readonly dist: string
}

/**
 * Packs this checkout and installs the tarball as a user would; the project is removed with the test file. The runner of the stage does it
 * once for all files, and names the folder in ANYPATH_USER_PROJECT.
 */
export async function userProject(): Promise<UserProject> {
  const shared = process.env.ANYPATH_USER_PROJECT
  if (shared !== undefined) return projectIn(shared)
  const root = process.env.ANYPATH_ROOT ?? process.cwd()
  const { packForUsers } = await import(pathToFileURL(resolve(root, 'scripts/pack.mjs')).href)
  const { folder, remove } = await packForUsers(root)
  after(remove)
  return projectIn(folder)
}

/** The same project, in which a package of `test/packaging/webrtc` is installed, too; it is removed with the test file. */
export async function projectWith(user: UserProject, name: string): Promise<UserProject> {
  const root = process.env.ANYPATH_ROOT ?? process.cwd()
  const packages = join(root, 'test/packaging/webrtc')
  const { installLocked } = await import(pathToFileURL(resolve(root, 'scripts/pack.mjs')).href)
  await installLocked(packages)
  const folder = mkdtempSync(join(tmpdir(), 'anypath-user-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(join(user.folder, 'node_modules'), join(folder, 'node_modules'), { recursive: true })
  const target = join(folder, 'node_modules', name)
  mkdirSync(dirname(target), { recursive: true })
  symlinkSync(join(packages, 'node_modules', name), target)
  return projectIn(folder)
}

function projectIn(folder: string): UserProject {
  return { folder, dist: join(folder, 'node_modules', 'anypath', 'dist') }
}
