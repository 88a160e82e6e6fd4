import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { build } from 'esbuild'

/**
 * Compiles src/ and test/ file by file into .test-build/, which mirrors the checkout: stack traces, workers and
 * `import.meta.url` then mean what they say. The core lies where src/core looks for it.
 *
 * @param {string} root the checkout
 * @returns {Promise<string[]>} the compiled test files, in order
 */
export async function buildTests(root) {
  const out = join(root, '.test-build')
  for (const folder of ['src', 'test', 'wasm']) rmSync(join(out, folder), { recursive: true, force: true })
  const sources = ['src', 'test'].flatMap((folder) => typescriptFiles(join(root, folder)))
  await build({
    entryPoints: sources,
    outdir: out,
    outbase: root,
    bundle: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    logLevel: 'warning',
  })
  placeCore(root, out)
  placeWebRtc(root, out)
  return sources
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join(out, relative(root, path).replace(/\.ts$/, '.js')))
    .sort()
}

function placeCore(root, out) {
  const coreDir = resolve(process.env.ANYPATH_CORE_DIR ?? join(root, 'wasm', 'pkg'))
  if (!existsSync(coreDir)) return
  for (const name of readdirSync(coreDir)) {
    const beside = /^anypath_core.*\.wasm$/.test(name) ? [join(out, 'src', 'core', name)] : []
    for (const target of [join(out, 'wasm', 'pkg', name), ...beside]) {
      mkdirSync(dirname(target), { recursive: true })
      copyFileSync(join(coreDir, name), target)
    }
  }
}

/** The WebRTC module is always the committed one. */
function placeWebRtc(root, out) {
  const file = join(root, 'wasm', 'pkg', 'anypath_webrtc.wasm')
  if (existsSync(file)) copyFileSync(file, join(out, 'src', 'transport', 'anypath_webrtc.wasm'))
}

function typescriptFiles(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory())
      return ['node_modules', 'fixtures', 'target'].includes(entry.name) ? [] : typescriptFiles(path)
    return /\.ts$/.test(entry.name) && !entry.name.endsWith('.d.ts') ? [path] : []
  })
}
