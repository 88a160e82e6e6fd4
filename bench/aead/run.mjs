// Builds the AEADs of several crates for WebAssembly with several sets of compiler flags and times them.
//   node bench/aead/run.mjs [--rounds N] [--json]
// Prints medians over interleaved rounds in MB/s of 1,400-byte packets, and medians of the ratios to the first line in the
// same round, which a busy machine disturbs less.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { wasmToolchain } from '../../scripts/rust-toolchain.mjs'

const PACKET_BYTES = 1400
const PACKETS_PER_RUN = 2_000

/** `rust` goes to rustc, `c` to the compiler of ring's C; ring's own build passes no -O for a release build of 3. */
const BUILDS = [
  { name: 'plain', rust: '', c: '' },
  { name: 'C -O3', rust: '', c: '-O3' },
  { name: 'Rust simd128', rust: '-Ctarget-feature=+simd128', c: '' },
  { name: 'Rust and C simd128', rust: '-Ctarget-feature=+simd128', c: '-O3 -msimd128' },
]

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '101' }, json: { type: 'boolean', default: false } },
})
const toolchain = wasmToolchain()
if ('missing' in toolchain) {
  console.error(toolchain.missing)
  process.exit(1)
}

const cells = []
for (const build of BUILDS) {
  const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(compile(build)), {})
  for (let algorithm = 0; nameOf(exports, algorithm) !== ''; algorithm++) {
    for (const direction of ['seal', 'open']) {
      const name = nameOf(exports, algorithm)
      cells.push({ build: build.name, name, direction, exports, algorithm, speeds: [] })
    }
  }
}

// Rounds interleave all cells, so that a busy minute of the machine falls on all of them alike.
for (const cell of cells) time(cell)
for (let round = 0; round < Number(options.rounds); round++) {
  for (const cell of cells) cell.speeds.push(time(cell))
}

report()

function compile({ name, rust, c }) {
  const target = join(tmpdir(), 'anypath-aead-bench', name.replaceAll(' ', '-'))
  const args = ['build', '--release', '--quiet', '--target', 'wasm32-unknown-unknown', '--target-dir', target]
  if (toolchain.buildStd) args.push('-Z', 'build-std=std,panic_abort')
  const env = { ...toolchain.env, RUSTFLAGS: rust, CFLAGS_wasm32_unknown_unknown: c }
  const { status } = spawnSync(toolchain.cargo, args, { cwd: import.meta.dirname, env, stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(1)
  return readFileSync(join(target, 'wasm32-unknown-unknown/release/aead_bench.wasm'))
}

function nameOf(exports, algorithm) {
  let text = ''
  for (let code; (code = exports.name(algorithm, text.length)) !== 0; ) text += String.fromCharCode(code)
  return text
}

/** @returns MB/s */
function time({ exports, algorithm, direction, name }) {
  const start = process.hrtime.bigint()
  const failed = exports.run(algorithm, direction === 'open' ? 1 : 0, PACKETS_PER_RUN)
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (failed !== 0) throw new Error(`${name}: ${failed} packets failed to ${direction}`)
  return (PACKETS_PER_RUN * PACKET_BYTES) / seconds / 1e6
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

function report() {
  const of = (name, build, direction) =>
    cells.find((cell) => cell.name === name && cell.build === build && cell.direction === direction)
  const summary = (cell, base) => ({
    median: median(cell.speeds),
    best: Math.max(...cell.speeds),
    ratio: median(cell.speeds.map((speed, round) => speed / base.speeds[round])),
  })
  const names = [...new Set(cells.map((cell) => cell.name))]
  const rows = names.flatMap((name) =>
    BUILDS.map(({ name: build }) => ({
      name,
      build,
      seal: summary(of(name, build, 'seal'), of(names[0], BUILDS[0].name, 'seal')),
      open: summary(of(name, build, 'open'), of(names[0], BUILDS[0].name, 'open')),
    })),
  )
  if (options.json) return console.log(JSON.stringify(rows, undefined, 2))
  console.log(
    '| AEAD | build | seal MB/s | best | ratio | open MB/s | best | ratio |\n|---|---|---|---|---|---|---|---|',
  )
  for (const { name, build, seal, open } of rows) {
    const figures = [seal, open].map(({ median, best, ratio }) =>
      [median.toFixed(0), best.toFixed(0), ratio.toFixed(2)].join(' | '),
    )
    console.log(`| ${name} | ${build} | ${figures.join(' | ')} |`)
  }
}
