import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lastLines } from './cache.mjs'
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

async function npm(args, cwd) {
  const result = await run('npm', args, { cwd })
  if (result.code !== 0) throw new Error(`npm ${args[0]} failed:\n${lastLines(result.output, 30)}`)
}
