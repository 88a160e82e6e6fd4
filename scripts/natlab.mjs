// `npm run natlab`: see test/natlab/main.ts.

import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildTests } from './build-tests.mjs'
import { peersEnv, prepareIrohPeer } from './interop-peers.mjs'
import { run } from './run.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
process.chdir(root)
if (!existsSync(join(root, 'dist', 'meta.json'))) await run(process.execPath, ['esbuild.config.mjs'], { echo: true })
await buildTests(root)
const main = join(root, '.test-build', 'test', 'natlab', 'main.js')
const stockPeers = process.argv.includes('iroh') ? peersEnv(await prepareIrohPeer()) : {}
const { code } = await run(process.execPath, ['--enable-source-maps', main, ...process.argv.slice(2)], {
  echo: true,
  env: { ...process.env, ...stockPeers, ANYPATH_ROOT: root },
})
process.exit(code)
