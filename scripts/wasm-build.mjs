// What the builds of wasm/pkg share: wasm-opt, the names that stand in for this machine's paths, sizes.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { lastLines, sha256 } from './cache.mjs'
import { run } from './run.mjs'
import { cargoHome } from './rust-toolchain.mjs'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')

// The features that LLVM's wasm32 baseline and simd128 use; wasm-opt keeps to them.
export const WASM_OPT_FEATURES = [
  '--enable-simd',
  '--enable-bulk-memory',
  '--enable-bulk-memory-opt',
  '--enable-sign-ext',
  '--enable-mutable-globals',
  '--enable-nontrapping-float-to-int',
  '--enable-reference-types',
  '--enable-multivalue',
  '--enable-call-indirect-overlong',
]
export const WASM_OPT_STRIP = ['--strip-debug', '--strip-producers', '--strip-target-features']

/** A machine's paths would give away its user's name and make builds differ. */
export function refuseMachinePaths(wasmFile, paths) {
  const text = readFileSync(wasmFile).toString('latin1')
  const found = paths.find((path) => text.includes(path))
  if (found) fail(`${wasmFile} contains the path ${found}`)
}

/** What has rustc write those names. */
export function remapFlags(toolchain, targetDir) {
  return prefixes(toolchain, targetDir).map(([from, to]) => `--remap-path-prefix=${from}=${to}`)
}

/**
 * What stands in for this machine's folders. The workspace is not among them: cargo names its files by relative paths, and
 * flags that differ from checkout to checkout would make each compile the standard library and every crate anew.
 */
export function prefixes(toolchain, targetDir) {
  const registries = join(cargoHome(), 'registry', 'src')
  const crates = existsSync(registries)
    ? readdirSync(registries).map((name) => [join(registries, name), '/crates'])
    : []
  // The later of two prefixes that match wins, so the more general ones come first.
  return [
    [cargoHome(), '/cargo'],
    ...crates,
    [targetDir, '/target'],
    ...(toolchain.stdSources ?? []).map((source) => [source, '/rustc']),
  ]
}

/** The hash of a built module, and its sizes in bytes. */
export function sizes(file) {
  const bytes = readFileSync(file)
  return {
    sha256: sha256(bytes),
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes).length,
  }
}

/** The program, which npm installs where it is not there yet. */
export async function findWasmOpt() {
  const folder = join(ROOT, 'scripts', 'wasm-opt')
  const program = join(folder, 'node_modules', '.bin', 'wasm-opt')
  if (!existsSync(program)) {
    const result = await run('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund'])
    if (result.code !== 0) fail(`wasm-opt can't be installed:\n${lastLines(result.output, 20)}`)
  }
  return program
}

/** Ends the build. */
export function fail(message) {
  console.error(message)
  process.exit(1)
}
