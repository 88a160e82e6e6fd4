import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { sha256 } from './cache.mjs'

const LEFT_OUT_FOLDERS = new Set([
  'fuzz',
  'pkg',
  'proptest-regressions',
  'simnet',
  'target',
  'webrtc',
  'tests',
  'benches',
  'examples',
])

/**
 * The files that decide what the core does: every Rust source and manifest, and the lockfile. Tests, the simulator,
 * the fuzz targets and the WebRTC module are left out, so that changing them does not make the committed core stale.
 */
export function coreSources(wasmDir) {
  return walk(wasmDir)
    .map((path) => relative(wasmDir, path).split(sep).join('/'))
    .filter((path) => /\.(rs|toml)$|(^|\/)Cargo\.lock$/.test(path) && !/(^|\/)tests\.rs$|_tests\.rs$/.test(path))
    .sort()
}

/** One hash over the names and contents of the core's sources; line ends do not count. */
export function hashCoreSources(wasmDir) {
  const lines = coreSources(wasmDir).map((path) => {
    const text = readFileSync(join(wasmDir, path), 'utf8').replaceAll('\r\n', '\n')
    return `${sha256(text)}  ${path}\n`
  })
  return sha256(lines.join(''))
}

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return LEFT_OUT_FOLDERS.has(entry.name) ? [] : walk(join(folder, entry.name))
    return entry.isFile() ? [join(folder, entry.name)] : []
  })
}
