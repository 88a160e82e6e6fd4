// Builds the WebRTC module for Node (wasm/webrtc) into wasm/pkg, where it is committed, with a record of how it was built.
//
//   node scripts/build-webrtc.mjs              build into wasm/pkg
//   node scripts/build-webrtc.mjs --check      exit 1 when the committed module was not built from the sources as they are

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cacheDir, lastLines, sha256 } from './cache.mjs'
import { hashCoreSources } from './core-sources.mjs'
import { run } from './run.mjs'
import { WASI_TARGET, wasiToolchain } from './rust-toolchain.mjs'
import {
  fail,
  findWasmOpt,
  prefixes,
  refuseMachinePaths,
  remapFlags,
  sizes,
  WASM_OPT_FEATURES,
  WASM_OPT_STRIP,
} from './wasm-build.mjs'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const CRATE = join(ROOT, 'wasm', 'webrtc')
const OUT = join(ROOT, 'wasm', 'pkg', 'anypath_webrtc.wasm')
const RECORD = join(ROOT, 'wasm', 'pkg', 'webrtc.json')
const TARGET_DIR = join(cacheDir, 'webrtc-target')
const FLAGS = {
  rust: ['-Ctarget-feature=+simd128,+bulk-memory'],
  std: ['-Z', 'build-std=std,panic_abort', '-Z', 'build-std-features=optimize_for_size'],
  // More than -O1 makes it neither smaller by gzip nor faster, and takes three times as long.
  wasmOpt: ['-O1', ...WASM_OPT_FEATURES, ...WASM_OPT_STRIP],
}

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
if (options.check) checkStaleness()
else await build()

function checkStaleness() {
  if (!existsSync(RECORD)) fail(`${RECORD} is missing: run \`npm run build:webrtc\``)
  const record = JSON.parse(readFileSync(RECORD, 'utf8'))
  const problems = []
  if (record.sourcesSha256 !== hashCoreSources(CRATE)) problems.push('its Rust sources changed since it was built')
  if (JSON.stringify(record.flags) !== JSON.stringify(FLAGS)) problems.push('the build flags changed since')
  if (!existsSync(OUT) || sha256(readFileSync(OUT)) !== record.sizes.sha256) problems.push('it is not the one recorded')
  if (problems.length > 0)
    fail(`the committed WebRTC module is stale: ${problems.join('; ')}. Run \`npm run build:webrtc\`.`)
  console.log(`the committed WebRTC module is fresh (sources ${record.sourcesSha256.slice(0, 16)}, ${record.rustc})`)
}

async function build() {
  const toolchain = wasiToolchain()
  if ('missing' in toolchain) fail(toolchain.missing)
  console.log(`toolchain: ${toolchain.version}${toolchain.buildStd ? ', building std from source' : ''}`)
  const wasmOpt = await findWasmOpt()
  const sourcesSha256 = hashCoreSources(CRATE)
  const env = {
    ...toolchain.env,
    CARGO_TARGET_DIR: TARGET_DIR,
    CARGO_ENCODED_RUSTFLAGS: [...toolchain.flags, ...FLAGS.rust, ...remapFlags(toolchain, TARGET_DIR)].join('\x1f'),
  }
  const args = ['build', '--release', '--locked', '--target', WASI_TARGET, ...(toolchain.buildStd ? FLAGS.std : [])]
  const built = await run(toolchain.cargo, args, { cwd: CRATE, env })
  if (built.code !== 0) fail(`cargo failed:\n${lastLines(built.output, 60)}`)
  console.log(`  cargo: ${built.seconds.toFixed(0)} s`)
  const optimised = await run(wasmOpt, [
    ...FLAGS.wasmOpt,
    join(TARGET_DIR, WASI_TARGET, 'release', 'anypath_webrtc.wasm'),
    '-o',
    OUT,
  ])
  if (optimised.code !== 0) fail(`wasm-opt failed:\n${lastLines(optimised.output, 30)}`)
  console.log(`  wasm-opt: ${optimised.seconds.toFixed(0)} s`)
  refuseMachinePaths(OUT, [CRATE, ...prefixes(toolchain, TARGET_DIR).map(([from]) => from)])
  const record = {
    rustc: toolchain.version,
    std: toolchain.buildStd ? 'built from source' : 'as installed',
    wasmOpt: (await run(wasmOpt, ['--version'])).stdout.trim(),
    flags: FLAGS,
    sourcesSha256,
    sizes: sizes(OUT),
  }
  writeFileSync(RECORD, `${JSON.stringify(record, null, 2)}\n`)
  console.table({ anypath_webrtc: record.sizes })
}
