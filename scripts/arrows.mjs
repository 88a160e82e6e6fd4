// Fails when a module of src/ or a crate of wasm/ depends on something that the architecture does not let it depend on.

import { existsSync, readdirSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { capture } from './run.mjs'
import { nativeToolchain } from './rust-toolchain.mjs'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** What each part of src/ may import, as path prefixes; its own folder is always allowed. */
const MAY_IMPORT = {
  'src/index.ts': ['src/api/', 'src/config/', 'src/discovery/', 'src/errors/', 'src/observe/', 'src/transport/'],
  'src/entry/': [
    'src/index.ts',
    'src/api/',
    'src/config/',
    'src/core/',
    'src/diagnose/',
    'src/discovery/',
    'src/driver/',
    'src/errors/',
    'src/observe/',
    'src/transport/',
  ],
  'src/cli/': [
    'src/index.ts',
    'src/entry/node.ts',
    'src/api/',
    'src/config/',
    'src/errors/',
    'src/observe/',
    'src/relay/',
  ],
  'src/relay/': [
    'src/config/',
    'src/core/',
    'src/driver/',
    'src/errors/',
    'src/transport/address-group.node.ts',
    'src/transport/relay-services.ts',
    'src/transport/transport.ts',
    'src/transport/udp.node.ts',
  ],
  'src/api/': ['src/config/', 'src/discovery/', 'src/driver/', 'src/errors/', 'src/observe/'],
  'src/driver/': ['src/core/', 'src/errors/', 'src/transport/transport.ts'],
  'src/core/': ['src/errors/', 'wasm/pkg/'],
  'src/transport/': ['src/errors/'],
  'src/diagnose/': ['src/errors/'],
  'src/discovery/': ['src/errors/'],
  'src/config/': ['src/errors/'],
  'src/observe/': ['src/errors/'],
  'src/errors/': [],
}
const MAY_USE_NODE = /^src\/(relay|cli)\/|^src\/entry\/node\.ts$|\.node\.ts$/
const GLUE = 'wasm/pkg/'

/** What each crate may depend on among its neighbours, tests aside. */
const CRATES = {
  'anypath-wire': [],
  'anypath-aead': [],
  'anypath-paths': ['anypath-wire'],
  'anypath-peer': ['anypath-aead', 'anypath-paths', 'anypath-wire'],
  'anypath-boundary': ['anypath-peer', 'anypath-paths', 'anypath-wire'],
  'anypath-simnet': ['anypath-peer', 'anypath-paths', 'anypath-wire'],
}
const BOUNDARY_ONLY = /^(wasm-bindgen|js-sys|web-sys|wasm-bindgen-futures)$/

/**
 * @param {Record<string, {imports: {path: string, external?: boolean}[]}>} inputs an esbuild metafile's `inputs`
 * @returns {string[]} one line for each wrong import
 */
export function wrongImports(inputs) {
  return Object.entries(inputs)
    .filter(([from]) => from.startsWith('src/'))
    .flatMap(([from, { imports }]) => imports.flatMap(({ path }) => wrongImport(from, path) ?? []))
}

function wrongImport(from, to) {
  if (isBuiltin(to)) return MAY_USE_NODE.test(from) ? undefined : `${from} uses the Node built-in ${to}`
  if (to.startsWith(GLUE) && !from.startsWith('src/core/')) return `${from} imports the generated glue ${to}`
  if (!to.startsWith('src/') && !to.startsWith('wasm/')) return undefined
  const part = Object.keys(MAY_IMPORT).find((prefix) => from.startsWith(prefix))
  if (!part) return `${from} is in a folder that the architecture does not know`
  const allowed = [part, ...MAY_IMPORT[part]].some((prefix) => to.startsWith(prefix))
  return allowed ? undefined : `${from} imports ${to}`
}

/**
 * @param {{name: string, dependencies: {name: string, kind: string | null}[]}[]} packages from `cargo metadata`
 * @returns {string[]} one line for each wrong dependency
 */
export function wrongDependencies(packages) {
  return packages.flatMap(({ name, dependencies }) =>
    dependencies.flatMap(({ name: to, kind }) => {
      if (kind === 'dev') return []
      if (BOUNDARY_ONLY.test(to) && name !== 'anypath-boundary') return [`crate ${name} depends on ${to}`]
      if (!to.startsWith('anypath-')) return []
      if (!(name in CRATES)) return [`crate ${name} is one that the architecture does not know`]
      return CRATES[name].includes(to) ? [] : [`crate ${name} depends on ${to}`]
    }),
  )
}

/** The import graph of every module of src/, whether or not an entry reaches it. */
async function importGraph() {
  const { metafile } = await build({
    entryPoints: modules('src'),
    outdir: 'dist',
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    plugins: [glueAsItIsNamed],
    logLevel: 'error',
  })
  return metafile.inputs
}

/** The glue is generated, and the graph is of interest whether or not it has been. */
const glueAsItIsNamed = {
  name: 'glue-as-it-is-named',
  setup(setup) {
    setup.onResolve({ filter: /wasm\/pkg\// }, ({ path }) => ({ path: path.slice(path.indexOf(GLUE)), external: true }))
  },
}

function modules(folder) {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return modules(path)
    return path.endsWith('.ts') && !path.endsWith('.d.ts') ? [path] : []
  })
}

function cratesOf(manifest) {
  const toolchain = nativeToolchain()
  if (!toolchain || !existsSync(join(ROOT, manifest))) return undefined
  const args = ['metadata', '--no-deps', '--format-version', '1', '--manifest-path', join(ROOT, manifest)]
  const metadata = capture(toolchain.cargo, args, toolchain.env)
  return metadata === undefined ? undefined : JSON.parse(metadata).packages
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const inputs = await importGraph()
  const crates = cratesOf('wasm/Cargo.toml')
  if (!crates) console.log('crates: not looked at, for there is no Rust toolchain')
  const wrong = [...wrongImports(inputs), ...wrongDependencies(crates ?? [])]
  for (const line of wrong) console.error(`wrong arrow: ${line}`)
  if (wrong.length > 0) process.exit(1)
  console.log(`arrows: ${Object.keys(inputs).length} modules and ${crates?.length ?? 0} crates, none wrong`)
}
