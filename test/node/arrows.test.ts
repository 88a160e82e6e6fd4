import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

interface Arrows {
  wrongImports(inputs: Record<string, { imports: { path: string }[] }>): string[]
  wrongDependencies(packages: { name: string; dependencies: { name: string; kind: string | null }[] }[]): string[]
}
const { wrongImports, wrongDependencies }: Arrows = await import(pathToFileURL(resolve('scripts/arrows.mjs')).href)

const importOf = (from: string, to: string) => wrongImports({ [from]: { imports: [{ path: to }] } })
const dependencyOf = (name: string, to: string, kind: string | null = null) =>
  wrongDependencies([{ name, dependencies: [{ name: to, kind }] }])

test('a transport that imports the core is a wrong arrow, and so is the reverse', () => {
  assert.deepEqual(importOf('src/transport/udp.node.ts', 'src/core/records.ts'), [
    'src/transport/udp.node.ts imports src/core/records.ts',
  ])
  assert.equal(importOf('src/core/records.ts', 'src/transport/transport.ts').length, 1)
})

test('the driver sees the transport interface but no transport', () => {
  assert.deepEqual(importOf('src/driver/loop.ts', 'src/transport/transport.ts'), [])
  assert.equal(importOf('src/driver/loop.ts', 'src/transport/memory.ts').length, 1)
})

test('an import against the direction of the layers is a wrong arrow', () => {
  assert.deepEqual(importOf('src/api/peer.ts', 'src/driver/loop.ts'), [])
  assert.equal(importOf('src/driver/loop.ts', 'src/api/peer.ts').length, 1)
  assert.equal(importOf('src/observe/logger.ts', 'src/config/schema.ts').length, 1)
})

test('a Node built-in outside the Node-only files is a wrong arrow, with and without its prefix', () => {
  assert.equal(importOf('src/driver/loop.ts', 'node:fs').length, 1)
  assert.equal(importOf('src/driver/loop.ts', 'fs').length, 1)
  assert.deepEqual(importOf('src/transport/udp.node.ts', 'node:dgram'), [])
  assert.deepEqual(importOf('src/entry/node.ts', 'node:fs'), [])
  assert.equal(importOf('src/entry/browser.ts', 'node:fs').length, 1)
})

test('only src/core imports the generated glue', () => {
  assert.deepEqual(importOf('src/core/load.ts', 'wasm/pkg/anypath_core.js'), [])
  assert.equal(importOf('src/entry/browser.ts', 'wasm/pkg/anypath_core.js').length, 1)
})

test('a folder that the architecture does not name is a wrong arrow', () => {
  assert.equal(importOf('src/misc/things.ts', 'src/errors/index.ts').length, 1)
})

test('crates depend downwards only, and on wasm-bindgen only in the boundary; tests may use the simulator', () => {
  assert.deepEqual(dependencyOf('anypath-peer', 'anypath-wire'), [])
  assert.equal(dependencyOf('anypath-wire', 'anypath-peer').length, 1)
  assert.equal(dependencyOf('anypath-peer', 'anypath-simnet').length, 1)
  assert.deepEqual(dependencyOf('anypath-peer', 'anypath-simnet', 'dev'), [])
  assert.equal(dependencyOf('anypath-peer', 'wasm-bindgen').length, 1)
  assert.deepEqual(dependencyOf('anypath-boundary', 'wasm-bindgen'), [])
})
