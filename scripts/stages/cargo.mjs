import { existsSync } from 'node:fs'
import { cargoBuildEnv, coreTestEnv } from '../cache.mjs'
import { run } from '../run.mjs'
import { nativeToolchain } from '../rust-toolchain.mjs'

const NO_RUST = 'no Rust toolchain: install rustup, or on Debian `apt-get install -y rustc-web cargo-web`'

/** The unit, scenario and property tests of the core's crates, on the native toolchain. */
export const cargoStage = {
  name: 'cargo',
  title: "the tests of the core's crates and of the WebRTC module's, native",
  minutes: [4, 8],
  async run({ report }) {
    await cargoTest(report, 'cargo test', 'wasm/Cargo.toml', ['--workspace', '--all-features'])
    await cargoTest(report, 'cargo test of the WebRTC module', 'wasm/webrtc/Cargo.toml', [], cargoBuildEnv)
  },
}

/** The fuzz targets as plain tests: each replays its corpus and runs generated cases. */
export const fuzzStage = {
  name: 'fuzz',
  title: 'every fuzz target: its corpus and 10,000 generated cases',
  minutes: [1, 3],
  run: ({ report }) => cargoTest(report, 'fuzz replay', 'wasm/fuzz/Cargo.toml', []),
}

async function cargoTest(report, name, manifest, args, envOf = coreTestEnv) {
  if (!existsSync(manifest)) return report.fail(name, `${manifest} is missing`)
  const toolchain = nativeToolchain()
  if (!toolchain) return report.skip(name, NO_RUST)
  const env = { ...envOf(toolchain), RUST_BACKTRACE: '1' }
  const command = ['test', '--locked', '--no-fail-fast', '--manifest-path', manifest, ...args]
  const result = await run(toolchain.cargo, command, { env, echo: true, timeoutMs: 40 * 60_000 })
  const before = report.failures.length
  for (const line of result.stdout.split('\n')) countLine(report, name, line)
  if (result.code !== 0 && report.failures.length === before)
    report.fail(name, result.timedOut ? 'timed out' : 'see above')
}

/** Counts what libtest prints: one line for each test, such as `test wire::ticket::round_trips ... ok`. */
function countLine(report, suite, line) {
  const match = line.match(/^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)(?:, (.*))?$/)
  if (!match) return
  const [, name, outcome, why] = match
  if (outcome === 'ok') report.pass()
  else if (outcome === 'FAILED') report.fail(`${suite}: ${name}`)
  else report.skip(`${suite}: ${name}`, why ?? 'ignored')
}
