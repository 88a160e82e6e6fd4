// Builds dist/ from src/ and the committed core in wasm/pkg. Needs no Rust; `npm ci` runs it as `prepare`.
//
// ANYPATH_CORE_DIR names another folder with the built core: continuous integration tests a fresh one.

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = dirname(fileURLToPath(import.meta.url))
const DIST = join(ROOT, 'dist')
const CORE_DIR = resolve(process.env.ANYPATH_CORE_DIR ?? join(ROOT, 'wasm', 'pkg'))

/**
 * What is bundled: `dist/<out><extension>` from `src/<entry>`. What browsers load stands alone in one file each, and is minified: pages load
 * it as it is. What Node's entries share goes into chunks.
 */
const BUNDLES = [
  {
    name: 'node',
    entries: { node: 'entry/node.ts', lan: 'entry/lan.ts', relay: 'relay/index.ts', 'cli/anypath': 'cli/main.ts' },
    // The chunks lie in dist/ itself, so that the core's loader, which looks for the wasm file beside `import.meta.url`, finds it from the
    // command as well.
    options: { platform: 'node', target: 'node20', packages: 'external', splitting: true, chunkNames: 'shared-[hash]' },
  },
  { name: 'browser', entries: { browser: 'entry/browser.ts', slim: 'entry/slim.ts' }, options: browserOptions('esm') },
  // A page loads them when it has a use for them: most of the first is simple-peer.
  { name: 'webrtc', entries: { anypath_webrtc: 'entry/web-rtc.ts' }, options: browserOptions('esm') },
  { name: 'diagnose', entries: { anypath_diagnose: 'entry/page-diagnosis.ts' }, options: browserOptions('esm') },
  { name: 'port', entries: { anypath_port: 'entry/port.ts' }, options: browserOptions('esm') },
  // Another one loads it where UDP is blocked. The ponyfill's own WebSocket is replaced by ours, and what it does when it is loaded, which is
  // to open a session somewhere, is left out.
  {
    name: 'tcp',
    entries: { anypath_tcp: 'transport/over-tcp.ts' },
    options: {
      ...browserOptions('esm'),
      alias: {
        'webtransport-ponyfill': '@fails-components/webtransport',
        debug: join(ROOT, 'src', 'transport', 'no-debug.ts'),
      },
      define: { 'globalThis.WebTransport': 'undefined' },
      inject: ['src/transport/noted-web-socket.ts'],
      // Its licence wants to be where its code is.
      banner: {
        js: `/*\n@fails-components/webtransport: Copyright (c) 2022 Marten Richter or other contributors, in part Copyright 2014
The Chromium Authors\n\n${readFileSync(join(ROOT, 'node_modules/@fails-components/webtransport/LICENSE'), 'utf8').trim()}\n*/`,
      },
    },
  },
  {
    name: 'global',
    extension: '.global.js',
    entries: { anypath: 'entry/browser.ts' },
    options: {
      ...browserOptions('iife'),
      globalName: 'anypath',
      define: { 'import.meta.url': 'scriptUrl' },
      inject: ['src/entry/script-url.ts'],
    },
  },
]
const LOADED_LATER = {
  './web-rtc.js': './anypath_webrtc.mjs',
  './page-diagnosis.js': './anypath_diagnose.mjs',
  './port.js': './anypath_port.mjs',
  './over-tcp.js': './anypath_tcp.mjs',
}
const CORES = ['anypath_core.wasm', 'anypath_core_node.wasm']
/** The WebRTC module for Node: it is apart from the cores, and always the committed one. */
const WEB_RTC = join(ROOT, 'wasm', 'pkg', 'anypath_webrtc.wasm')

rmSync(DIST, { recursive: true, force: true })
mkdirSync(DIST, { recursive: true })
const metafiles = {}
for (const bundle of BUNDLES) metafiles[bundle.name] = await bundleEntries(bundle)
writeFileSync(join(DIST, 'meta.json'), JSON.stringify(metafiles))
for (const file of [...CORES.map((core) => join(CORE_DIR, core)), WEB_RTC]) {
  if (existsSync(file)) copyFileSync(file, join(DIST, basename(file)))
  else missing(relative(ROOT, file))
}
copyFileSync(join(ROOT, 'src', 'api', 'anypath_ticks.js'), join(DIST, 'anypath_ticks.js'))
emitTypes()

function browserOptions(format) {
  return { platform: 'browser', target: 'es2022', format, minify: true, sourcesContent: true }
}

async function bundleEntries({ extension = '.mjs', entries, options }) {
  const entryPoints = []
  for (const [out, entry] of Object.entries(entries)) {
    if (existsSync(join(ROOT, 'src', entry))) entryPoints.push({ in: join('src', entry), out })
    else missing(`src/${entry}`)
  }
  if (entryPoints.length === 0) return undefined
  const result = await build({
    entryPoints,
    outdir: DIST,
    outExtension: { '.js': extension },
    absWorkingDir: ROOT,
    bundle: true,
    format: 'esm',
    plugins: [coreFrom(CORE_DIR), loadedLater()],
    metafile: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'warning',
    ...options,
  })
  const command = join(DIST, 'cli', 'anypath.mjs')
  if ('cli/anypath' in entries && existsSync(command)) chmodSync(command, 0o755)
  return result.metafile
}

/** Takes the generated glue from another folder than wasm/pkg. */
function coreFrom(coreDir) {
  return {
    name: 'core-from',
    setup(setup) {
      setup.onResolve({ filter: /\/wasm\/pkg\/[\w.]+\.js$/ }, ({ path }) => ({
        path: join(coreDir, path.split('/').at(-1)),
      }))
    },
  }
}

/** Leaves what is loaded later in files of their own, which bundlers find by the `import()` as it stands. */
function loadedLater() {
  return {
    name: 'loaded-later',
    setup(setup) {
      setup.onResolve({ filter: /^\.\/[\w-]+\.js$/ }, ({ kind, path }) =>
        kind === 'dynamic-import' && LOADED_LATER[path] !== undefined
          ? { path: LOADED_LATER[path], external: true }
          : undefined,
      )
    },
  }
}

/** Writes the declarations, and keeps only those that the public one reaches. */
function emitTypes() {
  const index = join(ROOT, 'src', 'index.ts')
  if (!existsSync(index)) return missing('src/index.ts')
  const staging = join(DIST, 'types-all')
  const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  const result = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.types.json', '--outDir', staging], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (result.status !== 0) {
    console.warn(result.stdout)
    if (process.env.CI) process.exit(1)
  }
  const seen = new Set()
  for (const file of ['index.d.ts', join('entry', 'lan.d.ts'), join('relay', 'index.d.ts')]) {
    if (existsSync(join(staging, file))) keepReachable(staging, join(DIST, 'types'), file, seen)
  }
  rmSync(staging, { recursive: true, force: true })
}

function keepReachable(from, to, file, seen) {
  if (seen.has(file)) return
  seen.add(file)
  const text = readFileSync(join(from, file), 'utf8').replace(/\n?\/\/# sourceMappingURL=.*/, '')
  mkdirSync(dirname(join(to, file)), { recursive: true })
  writeFileSync(join(to, file), text)
  for (const [, specifier] of text.matchAll(/(?:from\s+|import\s*\(\s*|import\s+)['"](\.[^'"]+)['"]/g)) {
    if (specifier.includes('wasm/pkg')) throw new Error(`the public types reach the generated glue through src/${file}`)
    keepReachable(from, to, join(dirname(file), specifier.replace(/\.js$/, '.d.ts')), seen)
  }
}

/** Something that a whole checkout has is not there: in continuous integration that is an error. */
function missing(path) {
  console.warn(`skipped: ${path} does not exist`)
  if (process.env.CI) process.exitCode = 1
}
