import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lastLines, sha256 } from './cache.mjs'
import { run } from './run.mjs'

/**
 * A project of a user, outside this checkout, with the packed tarball installed.
 *
 * @param {string} root the checkout; `dist/` is packed as it is
 * @returns {Promise<{folder: string, tarball: string, remove(): void}>}
 * @throws {Error} with npm's last lines
 */
export async function packForUsers(root) {
  const folder = mkdtempSync(join(tmpdir(), 'anypath-user-'))
  await npm(['pack', '--ignore-scripts', '--pack-destination', folder], root)
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
  await npm(['install', '--no-audit', '--no-fund', tarball], folder)
  return { folder, tarball, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/**
 * Installs a package of this checkout that has a lockfile of its own, unless what the lockfile names is there already.
 *
 * @param {string} folder
 * @throws {Error} with npm's last lines
 */
export async function installLocked(folder) {
  const done = join(folder, 'node_modules', '.anypath-lock')
  const wanted = sha256(readFileSync(join(folder, 'package-lock.json')))
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return
  await npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], folder)
  writeFileSync(done, wanted)
}

async function npm(args, cwd) {
  const result = await run('npm', args, { cwd })
  if (result.code !== 0) throw new Error(`npm ${args[0]} failed:\n${lastLines(result.output, 30)}`)
}
