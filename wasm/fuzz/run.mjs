// Fuzzes the targets with libFuzzer for a given time: node run.mjs [--seconds N] [target…]
//
// Works on stable Rust: the coverage flags are those of LLVM, and no sanitizer is needed because the
// parsers have no unsafe code.
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const folder = dirname(fileURLToPath(import.meta.url))
const targetDir = process.env.CARGO_TARGET_DIR ?? join(folder, 'target')
const coverageFlags = [
  '--cfg=fuzzing',
  '-Ccodegen-units=1',
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '600' } },
})
const all = readdirSync(join(folder, 'corpus')).sort()
const targets = positionals.length > 0 ? positionals : all
const unknown = targets.filter((target) => !all.includes(target))
const totalSeconds = Number(values.seconds)
if (unknown.length > 0 || !(totalSeconds > 0)) {
  console.error(`usage: node run.mjs [--seconds N] [target…]\ntargets: ${all.join(' ')}`)
  process.exit(2)
}

const binaries = build()
const lanes = Math.min(targets.length, availableParallelism())
const secondsEach = Math.max(1, Math.floor((totalSeconds * lanes) / targets.length))
console.log(`${targets.length} targets, ${secondsEach} s each, ${lanes} at a time`)
const queue = [...targets]
const failed = []
await Promise.all(Array.from({ length: lanes }, drainQueue))
if (failed.length > 0) {
  console.error(`failed: ${failed.join(' ')}; the inputs are in ${join(folder, 'artifacts')}`)
  process.exit(1)
}

/** Builds every target with coverage and returns the folder of the executables. */
function build() {
  const host = /^host: (.*)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }))[1]
  // With an explicit --target, build scripts and proc macros are spared the flags.
  const build = ['build', '--release', '--features', 'libfuzzer', '--bins', '--target', host]
  execFileSync('cargo', [...build, '--target-dir', targetDir], {
    cwd: folder,
    env: { ...process.env, RUSTFLAGS: coverageFlags.join(' ') },
    stdio: 'inherit',
  })
  return join(targetDir, host, 'release')
}

async function drainQueue() {
  for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
    if (!(await fuzz(target))) failed.push(target)
  }
}

/** Runs one target; what it finds to be new goes to `found/`, what fails to `artifacts/`. */
async function fuzz(target) {
  const found = join(folder, 'found', target)
  const artifacts = join(folder, 'artifacts', target)
  mkdirSync(found, { recursive: true })
  mkdirSync(artifacts, { recursive: true })
  const options = [`-max_total_time=${secondsEach}`, '-max_len=4096', '-timeout=5', '-rss_limit_mb=512']
  const libfuzzer = spawn(
    join(binaries, target),
    [...options, '-print_final_stats=1', `-artifact_prefix=${artifacts}/`, found, join(folder, 'corpus', target)],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  libfuzzer.stderr.setEncoding('utf8').on('data', (text) => {
    log = (log + text).slice(-20_000)
  })
  const code = await new Promise((resolve, reject) => {
    libfuzzer.on('error', reject).on('close', resolve)
  })
  const runs = /stat::number_of_executed_units: *(\d+)/.exec(log)?.[1] ?? 'unknown'
  const edges = [...log.matchAll(/ cov: (\d+)/g)].at(-1)?.[1] ?? 'unknown'
  console.log(`${target}: ${code === 0 ? 'ok' : 'FAILED'}, ${runs} runs, ${edges} edges covered`)
  if (code !== 0) console.error(log)
  return code === 0
}
