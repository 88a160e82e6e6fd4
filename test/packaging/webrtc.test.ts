// time limit: 240 s

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { projectWith, userProject } from '../browser/harness/package.js'

const run = promisify(execFile)
const user = await userProject()

/** Two peers without sockets on a relay: each moves to a channel that an installed package makes, and the program ends by itself. */
const PROGRAM = `
import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { Peer } from 'anypath'
import { startRelay } from 'anypath/relay'

const relay = await startRelay({ port: 0 })
const options = { relays: [relay.url], alpns: ['test/1'], transports: [], webRtc: { iceServers: [] }, udp: { host: '127.0.0.1' } }
const peers = [await Peer.create(options), await Peer.create(options)]
await Promise.all(peers.map((peer) => peer.online()))
const arrived = new Promise((resolve) => peers[1].on('connection', resolve))
const near = await peers[0].connect(await peers[1].ticket(), { alpn: 'test/1' })
const far = await arrived
const first = near.paths[0].kind
while ([near, far].some(({ paths }) => paths[0].kind !== 'webrtc')) await setTimeout(10)
const data = new Uint8Array(8 << 20).map((_, i) => i * 31 >> 3)
const hashes = []
for (const [from, to] of [[near, far], [far, near]]) {
  const writer = (await from.createUnidirectionalStream()).getWriter()
  const written = writer.write(data).then(() => writer.close())
  const hash = createHash('sha256')
  for await (const stream of to.incomingUnidirectionalStreams) {
    for await (const bytes of stream) hash.update(bytes)
    break
  }
  await written
  hashes.push(hash.digest('hex'))
}
const { host } = near.paths[0]
const stats = await near.getStats()
const sent = Object.fromEntries(stats.paths.map(({ kind, bytesSent }) => [kind, bytesSent]))
for (const peer of peers) await peer.close()
await relay.close()
const expected = createHash('sha256').update(data).digest('hex')
console.log(JSON.stringify({ first, host, sent, whole: hashes.every((hash) => hash === expected), closedMs: performance.now() }))
process.on('exit', () => console.log(performance.now()))
`

for (const name of ['node-datachannel', '@roamhq/wrtc']) {
  test(`two Node peers without sockets are on a channel of ${name}, and end by themselves`, async () => {
    const { folder } = await projectWith(user, name)
    await writeFile(
      join(folder, 'pair.mjs'),
      name === 'node-datachannel' ? PROGRAM : PROGRAM.replace(/, udp: [^}]*}/, ''),
    )
    const { stdout, stderr } = await run(process.execPath, ['pair.mjs'], { cwd: folder, timeout: 60_000 })
    assert.equal(stderr, '')
    const [told = '', ended] = stdout.trim().split('\n')
    const { first, host, sent, whole, closedMs } = JSON.parse(told)
    assert.equal(first, 'relay')
    assert.equal(whole, true)
    assert.ok(sent.webrtc > 8 << 20, told)
    if (name === 'node-datachannel') assert.equal(host, '127.0.0.1')
    assert.ok(Number(ended) - closedMs < 3000, `the program went on for ${Number(ended) - closedMs} ms`)
  })
}

test('WebRTC that is asked for and not there is an error that says what to install', async () => {
  const script =
    "import('anypath').then(({ Peer }) => Peer.create({ webRtc: true })).catch((e) => console.log(e.code, e.message))"
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: user.folder })
  assert.match(
    stdout,
    /^InvalidConfig webRtc: in Node it takes the package node-datachannel or @roamhq\/wrtc, which is not installed/,
  )
})

test('a package whose native part is not there is warned of, and connections stay relayed', async () => {
  const { folder } = await projectWith(user, 'node-datachannel')
  const broken = join(folder, 'node_modules', 'node-datachannel')
  const { rm, mkdir } = await import('node:fs/promises')
  await rm(broken)
  await mkdir(broken)
  await writeFile(
    join(broken, 'package.json'),
    JSON.stringify({ name: 'node-datachannel', exports: { './polyfill': './p.cjs' } }),
  )
  await writeFile(join(broken, 'p.cjs'), "throw new Error('no native part')")
  const program = PROGRAM.replace(
    'const peers',
    'const logger = { debug() {}, info() {}, warn: (text) => console.log(text), error() {} }\nconst peers',
  )
    .replaceAll('Peer.create(options)', 'Peer.create({ ...options, logger })')
    .replace(/^while .*$/m, 'await setTimeout(1500)')
  await writeFile(join(folder, 'pair.mjs'), program)
  const { stdout } = await run(process.execPath, ['pair.mjs'], { cwd: folder, timeout: 60_000 })
  assert.match(stdout, /^node-datachannel is installed and can't be loaded: no native part$/m)
  const { sent, whole } = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{')) ?? '')
  assert.equal(whole, true)
  assert.deepEqual(Object.keys(sent), ['relay'])
})
