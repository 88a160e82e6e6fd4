import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { pkarrDiscovery, type TicketAddress } from '../../../src/discovery/index.js'
import type { AnypathError } from '../../../src/errors/index.js'
import { PkarrServer, zBase32 } from './pkarr-server.js'
import { type RecordPeer, recordPeer } from './record-peer.js'

const RELAY: TicketAddress = { kind: 'relay', url: 'https://relay.example/' }
const OTHER: TicketAddress = { kind: 'relay', url: 'https://other.example/' }
const NOW = Date.now() * 1000

/** Puts a record on the relay as its owner would. */
async function store(server: PkarrServer, peer: RecordPeer, addresses: TicketAddress[], timestamp = NOW) {
  const packet = await peer.publishing.signRecord({ addresses }, 30, timestamp)
  server.packets.set(zBase32(peer.id), Buffer.from(packet))
}

const relaysOf = (addresses: readonly TicketAddress[]) => addresses.filter(({ kind }) => kind === 'relay')
const signal = new AbortController().signal

test('a peer is found by its id, with or without the path in the URL', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  await store(server, peer, [RELAY])
  const { readRecord } = await recordPeer(t)
  for (const path of ['', '/', '/pkarr', '/pkarr/']) {
    const discovery = pkarrDiscovery({ url: server.url + path })
    assert.deepEqual(relaysOf(await discovery.lookup(peer.id, { signal, readRecord })), [RELAY], path)
  }
  assert.deepEqual(new Set(server.log), new Set([`GET /pkarr/${zBase32(peer.id)} 200`]))
})

test('a peer that the relay does not know has no addresses', async (t) => {
  const [server, { id, readRecord }] = [await PkarrServer.start(t), await recordPeer(t)]
  assert.deepEqual(await pkarrDiscovery({ url: server.url }).lookup(id, { signal, readRecord }), [])
})

test('an answer is used again for half a minute, unless a fresh one is wanted', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  await store(server, peer, [RELAY])
  let nowMs = 0
  const discovery = pkarrDiscovery({ url: server.url, now: () => nowMs })
  const lookup = async (fresh: boolean) =>
    relaysOf(await discovery.lookup(peer.id, { signal, fresh, readRecord: peer.readRecord }))
  assert.deepEqual(await lookup(false), [RELAY])
  await store(server, peer, [OTHER], NOW + 1)
  nowMs = 29_999
  assert.deepEqual(await lookup(false), [RELAY])
  assert.deepEqual(await lookup(true), [OTHER])
  await store(server, peer, [RELAY], NOW + 2)
  nowMs = 59_998
  assert.deepEqual(await lookup(false), [OTHER])
  nowMs = 59_999
  assert.deepEqual(await lookup(false), [RELAY])
  assert.equal(server.log.length, 3)
})

test('a relay that goes back to an older record is not believed', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  const discovery = pkarrDiscovery({ url: server.url, cacheMs: 0 })
  const lookup = async () => relaysOf(await discovery.lookup(peer.id, { signal, readRecord: peer.readRecord }))
  await store(server, peer, [RELAY])
  assert.deepEqual(await lookup(), [RELAY])
  await store(server, peer, [OTHER], NOW - 1)
  assert.deepEqual(await lookup(), [RELAY])
})

test('a record that its owner has not signed is refused, and the one that was seen before stays', async (t) => {
  const [server, peer, other] = [await PkarrServer.start(t), await recordPeer(t), await recordPeer(t)]
  const discovery = pkarrDiscovery({ url: server.url })
  const lookup = (fresh: boolean) => discovery.lookup(peer.id, { signal, fresh, readRecord: peer.readRecord })
  await store(server, peer, [RELAY])
  await lookup(false)
  const forged = await other.publishing.signRecord({ addresses: [OTHER] }, 30, NOW + 1)
  server.packets.set(zBase32(peer.id), Buffer.from(forged))
  await assert.rejects(lookup(true), { code: 'InvalidRecord' })
  assert.deepEqual(relaysOf(await lookup(false)), [RELAY])
})

test('an answer of any other kind is a TransportFailed', async (t) => {
  const [server, { id, readRecord }] = [await PkarrServer.start(t), await recordPeer(t)]
  const discovery = pkarrDiscovery({ url: server.url })
  const lookup = () => discovery.lookup(id, { signal, readRecord })
  server.intercept = (_request, response) => Boolean(response.writeHead(500).end('no'))
  await assert.rejects(lookup(), { code: 'TransportFailed', retryable: true, message: /500/ })
  // A body that never ends, of which no more than a packet's worth is read.
  let written = 0
  server.intercept = (_request, response) => {
    response.writeHead(200)
    const pour = () => {
      while (!response.destroyed && response.write(new Uint8Array(1024))) written += 1024
    }
    response.on('drain', pour)
    pour()
    return true
  }
  await assert.rejects(lookup(), { code: 'TransportFailed', message: /more than 1072 bytes/ })
  assert.ok(written < 16 * 1024 * 1024, `${written} bytes were taken`)
  server.intercept = (_request, response) =>
    Boolean(response.writeHead(200, { 'content-length': 100 }).write('x')) || true
  const cut = pkarrDiscovery({ url: server.url, timeoutMs: 100 })
  await assert.rejects(cut.lookup(id, { signal, readRecord }), { code: 'TransportFailed' })
})

test('a relay that is silent holds nobody up for longer than the time allowed, or than the caller waits', async (t) => {
  const [server, { id, readRecord }] = [await PkarrServer.start(t), await recordPeer(t)]
  server.intercept = () => true
  const impatient = pkarrDiscovery({ url: server.url, timeoutMs: 50 })
  await assert.rejects(impatient.lookup(id, { signal, readRecord }), { code: 'TransportFailed' })
  const aborting = new AbortController()
  const patient = pkarrDiscovery({ url: server.url }).lookup(id, { signal: aborting.signal, readRecord })
  setTimeout(() => aborting.abort(), 20)
  await assert.rejects(patient, { code: 'TransportFailed' })
})

test('a URL that is none of HTTP is refused', () => {
  for (const url of ['', 'relay.example', 'ftp://relay.example', 'https://user:secret@relay.example']) {
    const refused = () => pkarrDiscovery({ url })
    assert.throws(
      refused,
      (error: AnypathError) => error.code === 'InvalidArgument' && !inspect(error).includes('secret'),
    )
  }
})
