// Builds the stock programs that interop tests talk to, into the cache, and prints where they are.
//
//   node scripts/interop-peers.mjs              {"irohPeer": PATH, "dumbpipe": PATH, "irohRelay": PATH, "irohDnsServer": PATH}
//   node scripts/interop-peers.mjs --release    an optimised iroh-peer only, for benchmarks
//   node scripts/interop-peers.mjs --relay      {"irohRelay": PATH}; with --release an optimised one

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheDir, cargoBuildEnv, cargoTargetDir, installTool, lastLines, sha256, toolPath } from './cache.mjs'
import { run } from './run.mjs'
import { nativeToolchain } from './rust-toolchain.mjs'

const CRATE = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'test', 'interop', 'iroh-peer')
const DUMBPIPE = { crate: 'dumbpipe', version: '0.40.0', bin: 'dumbpipe', args: ['--locked'] }
const IROH_RELAY = {
  crate: 'iroh-relay',
  version: '1.4.1',
  bin: 'iroh-relay',
  args: ['--locked', '--features', 'server'],
}
const RELEASED_RELAY = { ...IROH_RELAY, folder: `${IROH_RELAY.crate}-${IROH_RELAY.version}-release`, release: true }
const IROH_DNS_SERVER = { crate: 'iroh-dns-server', version: '1.4.1', bin: 'iroh-dns-server', args: ['--locked'] }
const NO_TOOLCHAIN = { missing: 'no Rust toolchain to build them' }

/**
 * Builds what is not in the cache yet.
 *
 * @returns {Promise<{irohPeer: string, dumbpipe: string, irohRelay: string, irohDnsServer: string} | {missing: string}>}
 *   `missing` says why they can't be built
 */
export async function preparePeers() {
  const toolchain = nativeToolchain()
  const { irohPeer } = await prepareIrohPeer()
  const dumbpipe = await prepareTool(DUMBPIPE, toolchain)
  // An optimised one, which benchmarks have built, serves as well.
  const irohRelay = cached(RELEASED_RELAY) ?? (await prepareTool(IROH_RELAY, toolchain))
  const irohDnsServer = await prepareTool(IROH_DNS_SERVER, toolchain)
  const peers = { irohPeer, dumbpipe, irohRelay, irohDnsServer }
  return Object.values(peers).every(Boolean) ? peers : NO_TOOLCHAIN
}

/**
 * Builds the stock endpoint unless it is in the cache.
 *
 * @param {{release?: boolean}} [options] `release`: an optimised one, for benchmarks
 * @returns {Promise<{irohPeer: string} | {missing: string}>}
 */
export async function prepareIrohPeer({ release = false } = {}) {
  const toolchain = nativeToolchain()
  const irohPeer = irohPeerPath(release)
  if (!existsSync(irohPeer)) {
    if (!toolchain) return NO_TOOLCHAIN
    await buildIrohPeer(toolchain, irohPeer, release)
  }
  return { irohPeer }
}

/** What tests find the stock programs by, in their environment. */
export function peersEnv(peers) {
  if (!('missing' in peers)) return { ANYPATH_INTEROP_PEERS: JSON.stringify(peers) }
  console.log(`no stock peers: ${peers.missing}`)
  return {}
}

/**
 * Builds the stock relay unless it is in the cache.
 *
 * @param {{release?: boolean}} [options] `release`: an optimised one, for benchmarks
 * @returns {Promise<{irohRelay: string} | {missing: string}>}
 */
export async function prepareRelay({ release = false } = {}) {
  const irohRelay = await prepareTool(release ? RELEASED_RELAY : IROH_RELAY, nativeToolchain())
  return irohRelay ? { irohRelay } : NO_TOOLCHAIN
}

/** The path of a tool, which is built if need be; undefined without a toolchain to do so. */
async function prepareTool(tool, toolchain) {
  return cached(tool) ?? (toolchain && (await installTool(tool, toolchain)))
}

function cached(tool) {
  const path = toolPath(tool)
  return existsSync(path) ? path : undefined
}

/** The name holds a hash of the sources, so that a change of them is built and an old checkout finds its own. */
function irohPeerPath(release) {
  const files = [
    'Cargo.toml',
    'Cargo.lock',
    ...readdirSync(join(CRATE, 'src'))
      .sort()
      .map((name) => join('src', name)),
  ]
  const hash = sha256(files.map((file) => readFileSync(join(CRATE, file), 'utf8')).join('\0')).slice(0, 16)
  return join(cacheDir, 'tools', `iroh-peer-${hash}`, 'bin', release ? 'iroh-peer-release' : 'iroh-peer')
}

async function buildIrohPeer(toolchain, target, release) {
  console.error(`building the stock iroh peer${release ? ', optimised' : ''} (once; a few minutes)`)
  const args = ['build', '--locked', '--manifest-path', join(CRATE, 'Cargo.toml'), ...(release ? ['--release'] : [])]
  const result = await run(toolchain.cargo, args, { env: cargoBuildEnv(toolchain) })
  if (result.code !== 0) throw new Error(`the stock iroh peer can't be built:\n${lastLines(result.output, 40)}`)
  mkdirSync(dirname(target), { recursive: true })
  const copy = `${target}.${process.pid}`
  copyFileSync(join(cargoTargetDir, release ? 'release' : 'debug', 'iroh-peer'), copy)
  renameSync(copy, target)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const release = process.argv.includes('--release')
  const peers = process.argv.includes('--relay')
    ? await prepareRelay({ release })
    : release
      ? await prepareIrohPeer({ release })
      : await preparePeers()
  console.log(JSON.stringify(peers))
  if ('missing' in peers) process.exitCode = 1
}
