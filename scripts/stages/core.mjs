import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../run.mjs'
import { wasmToolchain } from '../rust-toolchain.mjs'

/**
 * Checks that the committed core and the committed WebRTC module were built from the sources as they are. In continuous integration it also
 * builds a fresh core, and everything after this stage tests that one. The WebRTC module is not built there: that takes minutes.
 */
export const coreStage = {
  name: 'core',
  title: 'the committed core against its sources; in CI a fresh build; then dist/',
  minutes: [2, 12],
  async run({ root, ci, report }) {
    const node = process.execPath
    report.byExit('the committed core is fresh', await run(node, ['scripts/build-wasm.mjs', '--check']))
    const check = ['scripts/build-webrtc.mjs', '--check']
    report.byExit('the committed WebRTC module is fresh', await run(node, check))
    if (ci) await buildFresh(root, report)
    report.byExit('build dist', await run(node, ['esbuild.config.mjs']))
  },
}

async function buildFresh(root, report) {
  const toolchain = wasmToolchain()
  if ('missing' in toolchain) return report.skip('a fresh build of the core', toolchain.missing)
  const out = join(root, '.test-build', 'fresh-core')
  rmSync(out, { recursive: true, force: true })
  const args = ['scripts/build-wasm.mjs', '--out', out]
  const result = await run(process.execPath, args, { echo: true, timeoutMs: 40 * 60_000 })
  if (report.byExit('a fresh build of the core', result)) process.env.ANYPATH_CORE_DIR = out
}
