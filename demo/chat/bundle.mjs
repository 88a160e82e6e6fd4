import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const PAGE = fileURLToPath(new URL('page/', import.meta.url))
const DIST = fileURLToPath(new URL('../../dist/', import.meta.url))

/**
 * Bundles the chat page with the built package, in memory.
 *
 * @returns {Promise<Map<string, {type: string, body: Uint8Array | string}>>} what the server serves, by path
 */
export async function bundlePage() {
  if (!existsSync(join(DIST, 'browser.mjs'))) throw new Error('dist/ is not built; run `npm ci` or `npm run build`')
  const result = await build({
    entryPoints: {
      page: join(PAGE, 'main.ts'),
      'room-worker': join(PAGE, 'room-worker.ts'),
      style: join(PAGE, 'page.css'),
    },
    outdir: PAGE,
    bundle: true,
    write: false,
    external: ['/icon.svg'],
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'warning',
  })
  const built = (name) => result.outputFiles.find(({ path }) => path.endsWith(name)).contents
  return new Map([
    ['/index.html', { type: 'text/html; charset=utf-8', body: await readFile(join(PAGE, 'index.html')) }],
    ['/page.css', { type: 'text/css; charset=utf-8', body: built('style.css') }],
    ['/icon.svg', { type: 'image/svg+xml', body: await readFile(join(PAGE, 'icon.svg')) }],
    ['/page.js', { type: 'text/javascript; charset=utf-8', body: built('page.js') }],
    ['/room-worker.js', { type: 'text/javascript; charset=utf-8', body: built('room-worker.js') }],
    // The bundles look for these beside themselves.
    ['/anypath_core.wasm', { type: 'application/wasm', body: await readFile(join(DIST, 'anypath_core.wasm')) }],
    [
      '/anypath_ticks.js',
      { type: 'text/javascript; charset=utf-8', body: await readFile(join(DIST, 'anypath_ticks.js')) },
    ],
  ])
}
