import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const run = promisify(execFile)
const root = resolve('.')
const snapshot = join(root, 'test/packaging/exports.snapshot.json')
let project = ''
let installed = ''

/** A project of a user, outside this checkout, with the packed tarball installed. */
before(async () => {
  project = await mkdtemp(join(tmpdir(), 'anypath-user-'))
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', project], { cwd: root })
  const tarball = (await readdir(project)).find((name) => name.endsWith('.tgz'))
  assert(tarball, 'npm pack made no tarball')
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
  await run('npm', ['install', '--no-audit', '--no-fund', join(project, tarball)], { cwd: project })
  installed = join(project, 'node_modules', 'anypath')
})

after(() => rm(project, { recursive: true, force: true }))

test('the tarball holds what runs and what a reader needs, and nothing else', async () => {
  assert.deepEqual((await readdir(installed)).sort(), [
    'CHANGELOG.md',
    'LICENSE-APACHE',
    'LICENSE-MIT',
    'README.md',
    'dist',
    'package.json',
  ])
  const files = await readdir(join(installed, 'dist'), { recursive: true })
  const besides = ['anypath_webrtc.mjs', 'anypath_diagnose.mjs', 'anypath_ticks.js']
  const needed = [
    'node.mjs',
    'browser.mjs',
    'anypath_core.wasm',
    'anypath_core_node.wasm',
    'types/index.d.ts',
    ...besides,
  ]
  for (const file of needed) {
    assert(files.includes(file), `dist/${file} is missing`)
  }
  assert.deepEqual(
    files.filter((file) => /\.test\.|^meta/.test(file)),
    [],
  )
})

test('the exports of the entries are those of the snapshot', async () => {
  const script = (entry: string) =>
    `import(${JSON.stringify(entry)}).then((module) => console.log(JSON.stringify(Object.keys(module).sort())))`
  const exportsOf = async (entry: string): Promise<string[]> =>
    JSON.parse((await run(process.execPath, ['--input-type=module', '-e', script(entry)], { cwd: project })).stdout)
  const found = {
    node: await exportsOf('anypath'),
    browser: await exportsOf(join(installed, 'dist/browser.mjs')),
    lan: await exportsOf('anypath/lan'),
    relay: await exportsOf('anypath/relay'),
  }
  if (process.env.ANYPATH_UPDATE_SNAPSHOTS) await writeFile(snapshot, `${JSON.stringify(found, null, 2)}\n`)
  assert.deepEqual(found, JSON.parse(await readFile(snapshot, 'utf8')), 'ANYPATH_UPDATE_SNAPSHOTS=1 writes a new one')
})

test('the installed command shows its help and exits with 0', async () => {
  const { stdout } = await run('npx', ['--no-install', 'anypath', '--help'], { cwd: project })
  for (const command of ['id', 'listen', 'connect', 'send', 'receive', 'ping', 'relay'])
    assert.match(stdout, RegExp(command))
})

test('a browser bundle of the package uses no Node built-in and finds the core beside it', async () => {
  const result = await build({
    stdin: { contents: "export * from 'anypath'", resolveDir: project },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    metafile: true,
    logLevel: 'silent',
  })
  const inputs = Object.keys(result.metafile.inputs)
  assert(inputs.some((input) => input.endsWith('anypath/dist/browser.mjs')))
  assert(!inputs.some((input) => input.endsWith('anypath/dist/node.mjs')))
  const core = createRequire(join(project, 'index.js')).resolve('anypath/core.wasm')
  assert((await stat(core)).size > 0)
})

test("a user's strict TypeScript compiles against the types, without skipping declarations", async () => {
  const options = { strict: true, module: 'NodeNext', target: 'ES2022', noEmit: true, skipLibCheck: false, types: [] }
  const lib = ['ES2023', 'ESNext.Disposable', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable']
  await writeFile(
    join(project, 'use.ts'),
    "import * as anypath from 'anypath'\nimport * as lan from 'anypath/lan'\nimport * as relay from 'anypath/relay'\nexport const names = [anypath, lan, relay].flatMap(Object.keys)\n",
  )
  await writeFile(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, lib }, files: ['use.ts'] }),
  )
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  assert(existsSync(tsc))
  const { stdout } = await run(process.execPath, [tsc, '-p', project, '--pretty', 'false']).catch(
    ({ stdout }: { stdout: string }) => ({ stdout }),
  )
  assert.equal(stdout, '')
})
