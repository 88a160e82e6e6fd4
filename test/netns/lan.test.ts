import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeAnnouncement } from '../../src/discovery/lan/message.node.js'
import { Workbench } from '../node/cli/command.js'
import { namespacesMissing, Segment } from './namespaces.js'

const LIMIT = { skip: namespacesMissing(), timeout: 120_000 }

const bench = await Workbench.open()

/** Peers that know of no server. A line is an id to dial, or `close`. */
const PEER = (options = '', udp = '{}') => `
import { createInterface } from 'node:readline'
const { Peer } = await import(process.env.ANYPATH_PACKAGE)
const { lanDiscovery } = await import(new URL('lan.mjs', process.env.ANYPATH_PACKAGE))
const lan = lanDiscovery(${options})
const warnings = []
const logger = { debug() {}, info() {}, error() {}, warn: (text, fields) => warnings.push(text + ' ' + fields?.error) }
const peer = await Peer.create({ alpns: ['lan/1'], discovery: [lan], logger, udp: ${udp} })
console.log(peer.id)
void (async () => { for await (const connection of peer.incoming) connection.closed.catch(() => {}) })()
const lines = createInterface({ input: process.stdin })
for await (const line of lines) {
  if (line === 'close') break
  try {
    const connection = await peer.connect(line, { alpn: 'lan/1' })
    connection.closed.catch(() => {})
    console.log(JSON.stringify({ host: connection.paths[0].host }))
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, warnings: warnings.splice(0) }))
  }
}
lines.close()
process.stdin.destroy()
await peer.close()
console.log('closed')
`

/** Two peers of one process with one discovery. */
const PAIR = `
const { Peer } = await import(process.env.ANYPATH_PACKAGE)
const { lanDiscovery } = await import(new URL('lan.mjs', process.env.ANYPATH_PACKAGE))
const discovery = [lanDiscovery({ timeoutMs: 15_000 })]
const peers = await Promise.all([1, 2].map(() => Peer.create({ alpns: ['lan/1'], discovery })))
for (const [from, to] of [[0, 1], [1, 0]]) {
  const connection = await peers[from].connect(peers[to].id, { alpn: 'lan/1' })
  connection.closed.catch(() => {})
  console.log(connection.remoteId === peers[to].id)
}
await Promise.all(peers.map((peer) => peer.close()))
`

/** Holds the port of mDNS and shares it with nobody. */
const HOLDER = `
import dgram from 'node:dgram'
for (const type of ['udp4', 'udp6']) await new Promise((done) => dgram.createSocket({ type, ipv6Only: type === 'udp6' }).bind(5353, done))
console.log('holding')
`

/** Says 50 times a second that a peer is at an address where nobody is. */
const FORGER = (id: string) => `
import dgram from 'node:dgram'
const packet = Buffer.from('${Buffer.from(encodeAnnouncement(id, [{ host: '10.78.0.66', port: 1 }])).toString('hex')}', 'hex')
const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
await new Promise((done) => socket.bind(5353, '10.78.0.66', done))
socket.setMulticastInterface('10.78.0.66')
setInterval(() => socket.send(packet, 5353, '224.0.0.251'), 20)
setTimeout(() => console.log('forging'), 500)
`

type Program = ReturnType<Segment['spawn']>

async function line({ lines }: Program): Promise<string> {
  const { value, done } = await lines.next()
  assert.ok(!done, 'the program has ended')
  return value
}

async function dial(program: Program, id: string): Promise<{ host?: string; code?: string; warnings?: string[] }> {
  program.write(id)
  return JSON.parse(await line(program))
}

/** Dials until the answer is as it should be: a busy machine may be slower than one lookup, or know what was said before. */
async function dialUntil(program: Program, id: string, right: (code: string | undefined) => boolean): Promise<string> {
  for (let tries = 1; ; tries++) {
    const { host, code } = await dial(program, id)
    if (right(code)) return host ?? ''
    assert.ok(tries < 6, `${host ?? code} after ${tries} dials`)
  }
}

const found = (program: Program, id: string): Promise<string> => dialUntil(program, id, (code) => code === undefined)
const unknown = (program: Program, id: string): Promise<string> =>
  dialUntil(program, id, (code) => code === 'NoAddress')

/** How many sockets of mDNS a host has open. */
function listening(segment: Segment, host: string): number {
  return segment.in(host, 'ss', '-Hnua', 'sport', '=', ':5353').split('\n').filter(Boolean).length
}

for (const family of [4, 6] as const) {
  test(`two peers on a link with IPv${family} alone find each other by id alone`, LIMIT, async () => {
    using segment = new Segment([family])
    const programs = [segment.spawn('left', PEER()), segment.spawn('right', PEER())] as const
    try {
      const [left, right] = programs
      const ids = [await line(left), await line(right)] as const
      assert.equal(await found(left, ids[1]), segment.address('right', family))
      assert.equal(await found(right, ids[0]), segment.address('left', family))
    } finally {
      for (const program of programs) program.stop()
    }
  })
}

test('two peers of one process that share a discovery find each other', LIMIT, async () => {
  using segment = new Segment([4])
  const pair = segment.spawn('left', PAIR)
  try {
    assert.deepEqual([await line(pair), await line(pair)], ['true', 'true'])
    assert.equal(await pair.ended, 0)
  } finally {
    pair.stop()
  }
})

test('a peer that gets another address is found there', LIMIT, async () => {
  using segment = new Segment([4])
  const programs = [segment.spawn('left', PEER()), segment.spawn('right', PEER())] as const
  try {
    const [left, right] = programs
    const id = await line(right)
    await line(left)
    assert.equal(await found(left, id), '10.78.0.2')
    segment.in('right', 'ip', 'address', 'add', '10.78.0.9/24', 'dev', 'eth0')
    segment.in('right', 'ip', 'address', 'del', '10.78.0.2/24', 'dev', 'eth0')
    // Linux takes the other addresses of a network with the first one.
    segment.in('right', 'ip', 'address', 'replace', '10.78.0.9/24', 'dev', 'eth0')
    const deadline = performance.now() + 60_000
    for (;;) {
      // The machine's addresses are looked at every two seconds, and a dial of the old one takes ten.
      await sleep(3000)
      const { host } = await dial(left, id)
      if (host === '10.78.0.9') break
      assert.ok(performance.now() < deadline, `still found at ${host}`)
    }
  } finally {
    for (const program of programs) program.stop()
  }
})

test('two peers on one machine find each other, and whoever has left is not found any more', LIMIT, async () => {
  using segment = new Segment()
  const programs = [1, 2, 3].map((at) => segment.spawn(at === 3 ? 'right' : 'left', PEER()))
  try {
    const [one, two, far] = programs as [Program, Program, Program]
    const id = await line(two)
    await Promise.all([line(one), line(far)])
    for (const program of [one, far]) assert.match(await found(program, id), /^(10\.78\.0\.1|fd78::1)$/)
    two.write('close')
    assert.equal(await line(two), 'closed')
    // It ends by itself: no socket and no timer is left.
    assert.equal(await two.ended, 0)
    await Promise.all([unknown(one, id), unknown(far, id)])
    one.write('close')
    assert.equal(await one.ended, 0)
    assert.equal(listening(segment, 'left'), 0)
    assert.equal(listening(segment, 'right'), 2)
  } finally {
    for (const program of programs) program.stop()
  }
})

test('a peer that only looks for others listens only while it does, and is not found', LIMIT, async () => {
  using segment = new Segment()
  const programs = [segment.spawn('left', PEER('{ announce: false }')), segment.spawn('right', PEER())] as const
  try {
    const [quiet, open] = programs
    const ids = [await line(quiet), await line(open)] as const
    assert.equal(listening(segment, 'left'), 0)
    assert.ok(await found(quiet, ids[1]))
    assert.equal((await dial(open, ids[0])).code, 'NoAddress')
    assert.equal(listening(segment, 'left'), 0)
  } finally {
    for (const program of programs) program.stop()
  }
})

test('where the port is taken, or there is no network, nobody is found and the peer lives on', LIMIT, async () => {
  using segment = new Segment()
  const holder = segment.spawn('left', HOLDER)
  const programs = [holder]
  try {
    assert.equal(await line(holder), 'holding')
    const [taken, alone] = [segment.spawn('left', PEER()), segment.spawn('alone', PEER())]
    programs.push(taken, alone)
    await line(taken)
    const id = await line(alone)
    const [{ code, warnings = [] }, nobody] = await Promise.all([dial(taken, id), dial(alone, 'ab'.repeat(32))])
    assert.deepEqual([code, nobody.code], ['NoAddress', 'NoAddress'])
    assert.deepEqual(
      warnings.map((text) => /port 5353 is taken/.test(text)),
      [true, true],
      `one for the announcement and one for the lookup: ${warnings}`,
    )
    for (const program of [taken, alone]) {
      program.write('close')
      assert.equal(await line(program), 'closed')
      assert.equal(await program.ended, 0)
    }
  } finally {
    for (const program of programs) program.stop()
  }
})

/** A peer that was told nothing of the local network. */
const BY_DEFAULT = (options: string) => `
delete process.env.ANYPATH_LAN
${PEER()
  .replace(/^const \{ lanDiscovery.*$|^const lan = .*$/gm, '')
  .replace('discovery: [lan], ', options)}`

test(
  'by default peers find each other, those that serve nothing only look, and one that was told not to does neither',
  LIMIT,
  async () => {
    using segment = new Segment()
    const programs = ['', '', 'lan: false, ', 'directPaths: false, '].map((options, at) =>
      segment.spawn(at === 0 ? 'left' : 'right', BY_DEFAULT(options)),
    )
    const looking = segment.spawn('left', BY_DEFAULT('alpns: [], '))
    programs.push(looking)
    try {
      const ids = await Promise.all(programs.map(line))
      const [first, second, without] = programs as [Program, Program, Program]
      const [firstId = '', secondId = '', withoutId = '', quietId = '', lookingId = ''] = ids
      assert.ok(await found(first, secondId))
      assert.ok(await found(second, firstId))
      assert.ok(await found(looking, secondId))
      for (const id of [withoutId, quietId, lookingId]) assert.equal((await dial(first, id)).code, 'NoAddress')
      assert.equal((await dial(without, firstId)).code, 'NoAddress')
    } finally {
      for (const program of programs) program.stop()
    }
  },
)

test('who forges answers does not hide a peer', LIMIT, async () => {
  using segment = new Segment([4])
  const programs = [segment.spawn('left', PEER()), segment.spawn('right', PEER())]
  try {
    const [left, right] = programs as [Program, Program]
    const id = await line(right)
    await line(left)
    segment.in('right', 'ip', 'address', 'add', '10.78.0.66/24', 'dev', 'eth0')
    const forger = segment.spawn('right', FORGER(id))
    programs.push(forger)
    assert.equal(await line(forger), 'forging')
    for (let turn = 0; turn < 4; turn++) assert.ok(await found(left, id))
  } finally {
    for (const program of programs) program.stop()
  }
})

test('with --lan, the command reaches a listener on the same network by its id alone', LIMIT, async () => {
  using segment = new Segment()
  const on = (host: string) => ({ prefix: ['ip', 'netns', 'exec', segment.name(host)] })
  const listener = bench.start(['listen', '--lan'], { ...on('left'), input: 'here' })
  const id = await listener.until(
    () => /or, on this network:\nanypath connect (\w{64})\n/.exec(listener.stderr)?.[1],
    'an id',
  )
  const dialer = await bench.run(0, ['connect', '--lan', id], { ...on('right'), input: 'there' })
  await listener.exits(0)
  assert.deepEqual([listener.stdout, dialer.stdout], ['there', 'here'])
  const lost = await bench.run(3, ['connect', id], { ...on('right'), input: 'there' })
  assert.match(lost.stderr, /no address of this peer is known/)
})
