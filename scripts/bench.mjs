// Installs what the benchmarks compare anypath with, once, and runs them: `npm run bench -- [arguments of bench/run.mjs]`.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lastLines, sha256 } from './cache.mjs'
import { run } from './run.mjs'

const BENCH = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'bench')
/** Its install script fetches a binary or builds one for many minutes; without it that peer is left out. */
const NATIVE = '@fails-components/webtransport-transport-http3-quiche'
const NATIVE_LIMIT_MS = 120_000

await install()
const result = await run(process.execPath, [join(BENCH, 'run.mjs'), ...process.argv.slice(2)], { echo: true })
process.exitCode = result.code

async function install() {
  const lock = sha256(readFileSync(join(BENCH, 'package-lock.json')))
  const stamp = join(BENCH, 'node_modules', '.installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  console.log('installing the peers to compare with')
  // Not `ci`: the lockfile has no entries for platforms of @matrixai/quic that the registry did not offer, and `ci` refuses that.
  const installed = await run('npm', [
    'install',
    '--no-save',
    '--prefix',
    BENCH,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ])
  if (installed.code !== 0) throw new Error(`the peers can't be installed:\n${lastLines(installed.output, 20)}`)
  const native = await run('npm', ['rebuild', '--prefix', BENCH, NATIVE], { timeoutMs: NATIVE_LIMIT_MS })
  if (native.code !== 0) console.log(`skipped: ${NATIVE}: its native part can't be had here`)
  writeFileSync(stamp, lock)
}
