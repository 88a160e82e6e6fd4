// Builds the Rust core for both platforms into wasm/pkg, which is committed, with a record of how it was built.
//
//   node scripts/build-wasm.mjs                 build into wasm/pkg
//   node scripts/build-wasm.mjs --out DIR       build elsewhere (continuous integration tests a fresh build)
//   node scripts/build-wasm.mjs --check         exit 1 when wasm/pkg was not built from the sources as they are
//   --wasm DIR       another cargo workspace than wasm/     --opt LEVEL     wasm-opt's level (default O3)
//   --core NAME      only one of the two, for benchmarks
//   --level LEVEL    the browser's opt-level (default z)    --hot A,B       its crates that have 3 (default: those that every packet passes through)
//   --names          keep the functions' names, for profiles

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cacheDir, installTool, lastLines, sha256 } from './cache.mjs'
import { hashCoreSources } from './core-sources.mjs'
import { run } from './run.mjs'
import { nativeToolchain, wasmToolchain } from './rust-toolchain.mjs'
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
const TARGET_DIR = join(cacheDir, 'wasm-target')
const WASM_PACK_VERSION = '0.15.1'
const TARGET_FLAGS = ['--cfg', 'getrandom_backend="wasm_js"', '-Ctarget-feature=+simd128']
const C_FLAGS = '-O3 -msimd128'

const { values: options } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    out: { type: 'string' },
    wasm: { type: 'string', default: join(ROOT, 'wasm') },
    opt: { type: 'string', default: 'O3' },
    core: { type: 'string' },
    level: { type: 'string', default: 'z' },
    hot: { type: 'string', default: 'anypath-aead,bytes,noq-proto,ring' },
    names: { type: 'boolean', default: false },
  },
})

/** What a page loads is built for size, except for what every packet passes through. */
const FOR_SIZE = [
  `profile.release.opt-level="${options.level}"`.replace(/"(\d)"/, '$1'),
  ...options.hot
    .split(',')
    .filter((crate) => crate !== '')
    .map((crate) => `profile.release.package.${crate}.opt-level=3`),
]

/** What of the standard library is not written for speed: sorting, formatting, searching in text. No packet passes through it. */
const STD_FOR_SIZE = ['-Z', 'build-std-features=optimize_for_size']

/** Each core is one wasm-pack build of wasm/boundary; the name is that of its files in wasm/pkg. */
const CORES = [
  { name: 'anypath_core_node', cargoFeatures: ['node'], cargoConfig: [], stdArgs: [] },
  { name: 'anypath_core', cargoFeatures: ['browser'], cargoConfig: FOR_SIZE, stdArgs: STD_FOR_SIZE },
]
const wasmDir = resolve(options.wasm)
const outDir = resolve(options.out ?? join(wasmDir, 'pkg'))

if (options.check) checkStaleness()
else await build()

function checkStaleness() {
  const recordFile = join(outDir, 'build.json')
  if (!existsSync(recordFile)) fail('wasm/pkg has no build.json: run `npm run build:wasm`')
  const record = JSON.parse(readFileSync(recordFile, 'utf8'))
  const problems = []
  if (record.sourcesSha256 !== hashCoreSources(wasmDir)) problems.push('the Rust sources changed since it was built')
  if (JSON.stringify(record.flags) !== JSON.stringify(buildFlags())) problems.push('the build flags changed since')
  for (const core of CORES) {
    const file = join(outDir, `${core.name}.wasm`)
    const built = record.cores?.[core.name]?.sha256
    if (!existsSync(file) || sha256(readFileSync(file)) !== built)
      problems.push(`${core.name}.wasm is not the one recorded`)
  }
  if (problems.length > 0) fail(`the committed core is stale: ${problems.join('; ')}. Run \`npm run build:wasm\`.`)
  console.log(`the committed core is fresh (sources ${record.sourcesSha256.slice(0, 16)}, ${record.rustc})`)
}

async function build() {
  const toolchain = wasmToolchain()
  if ('missing' in toolchain) fail(toolchain.missing)
  console.log(`toolchain: ${toolchain.version}${toolchain.buildStd ? ', building std from source' : ''}`)
  const wasmBindgenVersion = lockedVersion('wasm-bindgen')
  const tools = await buildTools(wasmBindgenVersion)
  const wasmOpt = await findWasmOpt()

  const sourcesSha256 = hashCoreSources(wasmDir)
  const staging = join(cacheDir, 'staging', String(process.pid))
  forgetOtherSources(sourcesSha256)
  mkdirSync(outDir, { recursive: true })
  const cores = {}
  const wanted = CORES.filter(({ name }) => options.core === undefined || name === options.core)
  for (const core of wanted) cores[core.name] = await buildCore(core, { toolchain, tools, wasmOpt, staging })
  rmSync(staging, { recursive: true, force: true })
  const record = {
    rustc: toolchain.version,
    std: toolchain.buildStd ? 'built from source' : 'as installed',
    wasmBindgen: wasmBindgenVersion,
    wasmPack: WASM_PACK_VERSION,
    wasmOpt: (await run(wasmOpt, ['--version'])).stdout.trim(),
    flags: buildFlags(),
    sourcesSha256,
    cores,
  }
  writeFileSync(join(outDir, 'build.json'), `${JSON.stringify(record, null, 2)}\n`)
  console.table(Object.fromEntries(Object.entries(cores).map(([name, { sha256: _, ...sizes }]) => [name, sizes])))
}

async function buildTools(wasmBindgenVersion) {
  const native = nativeToolchain()
  if (!native) fail('a native Rust toolchain is missing: it builds wasm-pack and wasm-bindgen')
  const wasmPack = await installTool(
    { crate: 'wasm-pack', version: WASM_PACK_VERSION, bin: 'wasm-pack', folder: 'wasm-pack' },
    native,
  )
  // Without --locked: its lockfile names a crate version that was withdrawn.
  const wasmBindgen = await installTool(
    {
      crate: 'wasm-bindgen-cli',
      version: wasmBindgenVersion,
      bin: 'wasm-bindgen',
      folder: `wasm-bindgen-${wasmBindgenVersion}`,
    },
    native,
  )
  return { wasmPack, wasmBindgenBin: dirname(wasmBindgen) }
}

/**
 * Checkouts share compiled crates. Cargo compares times of files, by which one checkout's sources may be older than what was built from
 * another's, so the workspace's own crates are compiled anew when the sources are not those of the last build.
 */
function forgetOtherSources(sourcesSha256) {
  const record = join(TARGET_DIR, 'anypath-sources')
  if (existsSync(record) && readFileSync(record, 'utf8') === sourcesSha256) return
  const fingerprints = join(TARGET_DIR, 'wasm32-unknown-unknown', 'release', '.fingerprint')
  const known = existsSync(fingerprints) ? readdirSync(fingerprints) : []
  for (const name of known.filter((name) => name.startsWith('anypath-')))
    rmSync(join(fingerprints, name), { recursive: true })
  mkdirSync(TARGET_DIR, { recursive: true })
  writeFileSync(record, sourcesSha256)
}

async function buildCore(core, { toolchain, tools, wasmOpt, staging }) {
  const packDir = join(staging, core.name)
  const cargoArgs = [
    '--locked',
    '--no-default-features',
    ...core.cargoFeatures.flatMap((feature) => ['--features', feature]),
    ...core.cargoConfig.flatMap((setting) => ['--config', setting]),
  ]
  if (toolchain.buildStd) cargoArgs.push('-Z', 'build-std=std,panic_abort', ...core.stdArgs)
  const args = ['build', '--mode', 'force', '--target', 'web', '--release', '--no-opt', '--no-pack', '--no-gitignore']
  args.push('--out-dir', packDir, '--out-name', core.name, join(wasmDir, 'boundary'), '--', ...cargoArgs)
  const env = {
    ...toolchain.env,
    PATH: [tools.wasmBindgenBin, ...(toolchain.buildStd ? ['/usr/bin'] : []), toolchain.env.PATH].join(delimiter),
    CARGO_TARGET_DIR: TARGET_DIR,
    CARGO_ENCODED_RUSTFLAGS: [...TARGET_FLAGS, ...remapFlags(toolchain, TARGET_DIR)].join('\x1f'),
    CFLAGS_wasm32_unknown_unknown: [
      C_FLAGS,
      ...prefixes(toolchain, TARGET_DIR).map(([from, to]) => `-ffile-prefix-map=${from}=${to}`),
    ].join(' '),
  }
  delete env.RUSTFLAGS
  console.log(`building ${core.name} (features: ${core.cargoFeatures.join(', ') || 'none'})`)
  const result = await run(tools.wasmPack, args, { env })
  if (result.code !== 0) fail(`wasm-pack failed:\n${lastLines(result.output, 60)}`)
  console.log(`  cargo and wasm-bindgen: ${result.seconds.toFixed(0)} s`)

  const wasmFile = join(outDir, `${core.name}.wasm`)
  const optimise = [
    `-${options.opt}`,
    ...WASM_OPT_FEATURES,
    ...(options.names ? ['--debuginfo', '--strip-dwarf'] : WASM_OPT_STRIP),
    join(packDir, `${core.name}_bg.wasm`),
    '-o',
    wasmFile,
  ]
  const optimised = await run(wasmOpt, optimise)
  if (optimised.code !== 0) fail(`wasm-opt failed:\n${lastLines(optimised.output, 30)}`)
  console.log(`  wasm-opt: ${optimised.seconds.toFixed(0)} s`)
  const glue = glueFactory(ownLoaderGlue(readFileSync(join(packDir, `${core.name}.js`), 'utf8')))
  writeFileSync(join(outDir, `${core.name}.js`), glue.script)
  writeFileSync(
    join(outDir, `${core.name}.d.ts`),
    readFileSync(join(packDir, `${core.name}.d.ts`), 'utf8') + glue.types,
  )
  refuseMachinePaths(wasmFile, [wasmDir, ...prefixes(toolchain, TARGET_DIR).map(([from]) => from)])
  return sizes(wasmFile)
}

/**
 * The generated glue falls back to fetching `*_bg.wasm` beside itself. Bundlers would look for that file, and the SDK has
 * loaders of its own, so initialising without bytes or a module becomes an error instead.
 */
function ownLoaderGlue(glue) {
  const fallback = /module_or_path = new URL\('[^']+', import\.meta\.url\);/g
  const found = glue.match(fallback)?.length ?? 0
  if (found > 1 || (found === 0 && glue.includes('import.meta.url'))) fail("wasm-bindgen's glue has an unknown shape")
  return glue.replace(fallback, "throw new TypeError('the core needs its bytes or its module');")
}

/**
 * The generated glue keeps its one instance in module variables. Peers share nothing but code, so the whole module becomes the
 * body of a function: each call gives glue with variables, and so an instance and a memory, of its own.
 */
function glueFactory(glue) {
  const names = ['initSync']
  const body = glue
    .replace(/^\/\* @ts-self-types.*\n/, '')
    .replace(/^export \{ initSync, __wbg_init as default \};?$/m, '')
    .replace(/^export ((?:class|function) (\w+))/gm, (_, declaration, name) => {
      names.push(name)
      return declaration
    })
  if (/^\s*(import|export)\b/m.test(body)) fail("wasm-bindgen's glue has an unknown shape")
  const fields = names.map((name) => `readonly ${name}: typeof ${name}`).join('; ')
  return {
    script: `export function createGlue() {\n${body}\nreturn { ${names.join(', ')} };\n}\n`,
    types: `\n/** The only export that exists at run time: glue with an instance of its own. */\nexport function createGlue(): { ${fields} };\n`,
  }
}

function buildFlags() {
  return {
    rust: TARGET_FLAGS,
    forSize: FOR_SIZE,
    stdForSize: STD_FOR_SIZE,
    c: C_FLAGS,
    wasmOpt: [`-${options.opt}`, ...WASM_OPT_FEATURES, ...WASM_OPT_STRIP],
  }
}

function lockedVersion(crate) {
  const lockfile = join(wasmDir, 'Cargo.lock')
  if (!existsSync(lockfile)) fail(`${lockfile} is missing`)
  const found = readFileSync(lockfile, 'utf8').match(new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`))
  if (!found) fail(`${crate} is not in ${lockfile}`)
  return found[1]
}
