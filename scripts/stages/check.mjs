import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cargoBuildEnv, coreTestEnv, installTool } from '../cache.mjs'
import { run } from '../run.mjs'
import { hasSubcommand, nativeToolchain } from '../rust-toolchain.mjs'

const CARGO_DENY = { crate: 'cargo-deny', version: '0.20.2', bin: 'cargo-deny', args: ['--locked'] }
/** What a service that can't be reached, or does not offer the request, answers. */
const OUT_OF_REACH =
  /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|40[345] |Not Allowed|not implemented|failed to fetch|failed to clone|unable to (fetch|clone)|advisory database|network/i

/** Everything that a reviewer would ask a machine first. */
export const checkStage = {
  name: 'check',
  title: 'format, lint, types, arrows, docs, package, licences, advisories',
  minutes: [1, 6],
  async run(context) {
    await checkTypeScript(context)
    await checkPackage(context)
    await checkRust(context)
    await checkDependencies(context)
  },
}

const bin = (name) => join('node_modules', '.bin', name)

async function checkTypeScript({ report }) {
  report.byExit('biome', await run(bin('biome'), ['ci', '--colors=off', '.']))
  report.byExit('tsc', await run(bin('tsc'), ['--noEmit', '--pretty', 'false']))
  report.byExit('arrows', await run(process.execPath, ['scripts/arrows.mjs']))
  report.byExit('typedoc', await run(bin('typedoc'), ['--emit', 'none', '--treatWarningsAsErrors']))
}

async function checkPackage({ report }) {
  const folder = mkdtempSync(join(tmpdir(), 'anypath-pack-'))
  const packed = await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder])
  if (report.byExit('npm pack', packed)) {
    const tarball = join(folder, readdirSync(folder)[0])
    report.byExit('publint', await run(bin('publint'), ['--strict', tarball]))
    // ESM only, by choice: CommonJS callers use import().
    report.byExit(
      'attw',
      await run(bin('attw'), [tarball, '--profile', 'esm-only', '--exclude-entrypoints', 'core.wasm', '--no-emoji']),
    )
  }
  rmSync(folder, { recursive: true, force: true })
}

async function checkRust({ report }) {
  const toolchain = nativeToolchain()
  for (const manifest of [
    'wasm/Cargo.toml',
    'wasm/fuzz/Cargo.toml',
    'wasm/webrtc/Cargo.toml',
    'test/interop/iroh-peer/Cargo.toml',
  ]) {
    if (!existsSync(manifest)) report.fail(`clippy ${manifest}`, 'is missing')
    else if (!toolchain || !hasSubcommand(toolchain, 'clippy') || !hasSubcommand(toolchain, 'fmt')) {
      report.skip(`clippy ${manifest}`, 'no Rust toolchain with clippy and rustfmt')
    } else await lintCrate(report, toolchain, manifest)
  }
}

async function lintCrate(report, toolchain, manifest) {
  const env = manifest.startsWith('wasm/') ? coreTestEnv(toolchain) : cargoBuildEnv(toolchain)
  report.byExit(
    `rustfmt ${manifest}`,
    await run(toolchain.cargo, ['fmt', '--all', '--check', '--manifest-path', manifest], { env }),
  )
  const args = ['clippy', '--locked', '--workspace', '--all-targets', '--all-features', '--manifest-path', manifest]
  report.byExit(`clippy ${manifest}`, await run(toolchain.cargo, [...args, '--', '-D', 'warnings'], { env }))
}

async function checkDependencies({ report }) {
  const audit = await run('npm', ['audit', '--omit=dev', '--audit-level=moderate'])
  if (audit.code !== 0 && !/severity:|vulnerabilit/i.test(audit.output)) {
    report.skip('npm audit', `its service is out of reach: ${firstError(audit.output)}`)
  } else report.byExit('npm audit', audit)

  const toolchain = nativeToolchain()
  if (!toolchain) return report.skip('cargo deny', 'no Rust toolchain')
  const deny = await installTool(CARGO_DENY, toolchain)
  for (const manifest of ['wasm/Cargo.toml', 'wasm/webrtc/Cargo.toml']) {
    const common = ['--manifest-path', manifest, '--all-features', '--locked', '--config', 'deny.toml']
    const check = (what) => run(deny, [...common, 'check', ...what], { env: toolchain.env })
    report.byExit(`cargo deny ${manifest}: licences, bans, sources`, await check(['licenses', 'bans', 'sources']))
    const advisories = await check(['advisories'])
    const name = `cargo deny ${manifest}: advisories`
    if (advisories.code !== 0 && OUT_OF_REACH.test(advisories.output) && !/advisories FAILED/.test(advisories.output)) {
      report.skip(name, `the advisory database is out of reach: ${firstError(advisories.output)}`)
    } else report.byExit(name, advisories)
  }
}

function firstError(output) {
  const line = output.split('\n').find((text) => /err|fail|unable/i.test(text)) ?? output.split('\n')[0] ?? ''
  return line.trim().slice(0, 160)
}
