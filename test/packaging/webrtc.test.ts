// time limit: 240 s

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
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

/** What becomes of a program in that project: what it prints, and by when it has ended. */
async function runs(folder: string, program: string): Promise<string> {
  await writeFile(join(folder, 'program.mjs'), program)
  const { stdout, stderr } = await run(process.execPath, ['program.mjs'], { cwd: folder, timeout: 30_000 })
  assert.equal(stderr, '')
  return stdout
}

const CREATES = (options: string) => `
import { Peer } from 'anypath'
await Peer.create(${options}).then((peer) => peer.close(), ({ code, message }) => console.log(code, message))
`

test('a package is needed only where one is asked for, or there is no socket to share; else the error says what to install', async () => {
  const creates = (options: string) => runs(user.folder, CREATES(options))
  for (const webRtc of ['false', 'true', "{ implementation: 'built-in', iceServers: [] }"])
    assert.equal(await creates(`{ webRtc: ${webRtc}, lan: false, portMapping: false }`), '')
  assert.match(
    await creates("{ webRtc: { implementation: 'installed' } }"),
    /^InvalidConfig webRtc: the installed implementation takes the package node-datachannel or @roamhq\/wrtc, which is not installed/,
  )
  assert.match(
    await creates('{ webRtc: true, transports: [] }'),
    /^InvalidConfig webRtc: without a UDP socket it takes the package node-datachannel or @roamhq\/wrtc/,
  )
  assert.match(
    await creates("{ webRtc: { implementation: 'built-in' }, transports: [] }"),
    /^InvalidConfig webRtc: the built-in implementation takes a UDP socket/,
  )
  assert.match(
    await creates("{ webRtc: { iceServers: [{ urls: 'stun:192.0.2.1' }] } }"),
    /^InvalidConfig webRtc: the built-in implementation takes no iceServers/,
  )
})

test('one package is kept to the address of the socket, the other one is not used then', async () => {
  const { folder } = await projectWith(user, '@roamhq/wrtc')
  const bound = (webRtc: string) => `{ webRtc: ${webRtc}, udp: { host: '127.0.0.1' }, lan: false, portMapping: false }`
  assert.match(
    await runs(folder, CREATES(bound("{ implementation: 'installed' }"))),
    /^InvalidConfig webRtc: .* node-datachannel \(for udp.host 127.0.0.1\)/,
  )
  assert.equal(await runs(folder, CREATES(bound('true'))), '')
  assert.equal(await runs(folder, CREATES('{ webRtc: true }')), '')
})

test('servers that the package does not take are an error, and credentials may have any characters', async () => {
  const { folder } = await projectWith(user, 'node-datachannel')
  const create = (server: object) => runs(folder, CREATES(`{ webRtc: { iceServers: [${JSON.stringify(server)}] } }`))
  assert.match(await create({ urls: 'stuns:192.0.2.1' }), /^InvalidConfig webRtc: node-datachannel does not take/)
  assert.match(await create({ urls: 'turn:192.0.2.1' }), /^InvalidConfig webRtc: node-datachannel does not take/)
  assert.equal(await create({ urls: 'turn:192.0.2.1', username: '1700000000:a@b', credential: 'x:/@?#%' }), '')
})

test('a package whose native part is not there is an error that says why', async () => {
  const { folder } = await projectWith(user, 'node-datachannel')
  const broken = join(folder, 'node_modules', 'node-datachannel')
  await rm(broken)
  await mkdir(broken)
  await writeFile(
    join(broken, 'package.json'),
    JSON.stringify({ name: 'node-datachannel', exports: { './polyfill': './p.cjs' } }),
  )
  await writeFile(join(broken, 'p.cjs'), "throw new Error('no native part')")
  assert.match(await runs(folder, CREATES('{ webRtc: true }')), /node-datachannel can't be loaded: no native part/)
})

/** A remote that means no good, on an implementation of its own, against what a peer makes channels with. */
const HOSTILE = (act: string, prepare = '') => `
import { setTimeout } from 'node:timers/promises'
import { Peer } from 'anypath'
import { channelMaker } from './node_modules/anypath/dist/anypath_webrtc.mjs'
import * as polyfill from 'node-datachannel/polyfill'

class Remote extends polyfill.RTCPeerConnection {
  async createOffer() {
    const { type, sdp } = await super.createOffer()
    return { type, sdp }
  }
  createDataChannel(label, options) {
    for (const more of ['one', 'two']) super.createDataChannel(more, options)
    return super.createDataChannel(label, options)
  }
}
const { platform } = Peer
let iceServers = []
${prepare}
const load = platform.channels({ webRtc: { iceServers }, relays: [], udp: { host: '127.0.0.1' } }, {})
const maker = await load()
const told = []
const counts = { opened: 0, closed: 0, malformed: 0, packets: 0 }
const events = {
  signal: (signal) => told.push(signal),
  opened: () => { counts.opened += 1 },
  interrupted() {},
  packet: () => { counts.packets += 1 },
  writable() {},
  dropped() {},
  malformed: () => { counts.malformed += 1 },
  closed: () => { counts.closed += 1 },
}
${act}
console.log(JSON.stringify(counts))
`

test('a remote that opens a second channel leaves nothing behind that keeps the program alive', async () => {
  const { folder } = await projectWith(user, 'node-datachannel')
  const stdout = await runs(
    folder,
    HOSTILE(`
const classes = { ...polyfill, RTCPeerConnection: Remote }
const itsMaker = channelMaker([], [], { classes, configuration: { bindAddress: '127.0.0.1' }, admit: () => (signal) => signal })
const remote = itsMaker.negotiate(true, { ...events, opened() {}, closed() {}, signal: (signal) => channel.signal(signal) })
const channel = maker.negotiate(false, { ...events, signal: (signal) => remote.signal(signal) })
while (counts.opened === 0) await setTimeout(10)
await setTimeout(500)
channel.close()
remote.close()`),
  )
  assert.equal(JSON.parse(stdout).opened, 1)
})

/** A STUN server whose answers (RFC 8489 section 14.2) come late, so that a candidate is found when the remote has answered. */
const LATE_STUN = `
const { createSocket } = await import('node:dgram')
const stun = createSocket('udp4')
await new Promise((resolve) => stun.bind(0, '127.0.0.1', resolve))
stun.on('message', async (request, { port, address }) => {
  await setTimeout(400)
  const mapped = [0x00, 0x20, 0, 8, 0, 1, 0x11 ^ 0x21, 0x22 ^ 0x12, 192 ^ 0x21, 0 ^ 0x12, 2 ^ 0xa4, 9 ^ 0x42]
  stun.send(Buffer.from([0x01, 0x01, 0, mapped.length, ...request.subarray(4, 20), ...mapped]), port, address)
})
iceServers = [{ urls: 'stun:127.0.0.1:' + stun.address().port }]
`

test('an answer that no browser gives ends no program', async () => {
  const { folder } = await projectWith(user, 'node-datachannel')
  const answer = (mid: string) => `
const channel = maker.negotiate(true, events)
while (!told.some(({ type }) => type === 'offer')) await setTimeout(10)
const { sdp } = told.find(({ type }) => type === 'offer')
channel.signal({ type: 'answer', sdp: sdp.replace(/a=mid:.*/, 'a=mid:${mid}').replace('actpass', 'active') })
for (const candidate of ['candidate:1 1 UDP 1 name.example 9 typ host', 'candidate:1 1 TCP 1 127.0.0.1 9 typ host tcptype passive', 'x', 'candidate:1 1 UDP 1 224.0.0.1 9 typ host'])
  channel.signal({ type: 'candidate', candidate, sdpMid: '0', sdpMLineIndex: 0 })
await setTimeout(1500)
channel.close()
stun.close()`
  for (const mid of ['unspec', '-1', 'x'.repeat(999), '']) {
    const stdout = await runs(folder, HOSTILE(answer(mid), LATE_STUN))
    assert.equal(JSON.parse(stdout).malformed, 4, mid)
  }
})
