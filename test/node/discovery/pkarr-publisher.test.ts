import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type PkarrPublisherOptions,
  pkarrDiscovery,
  pkarrPublisher,
  type TicketAddress,
} from '../../../src/discovery/index.js'
import { PkarrServer } from './pkarr-server.js'
import { type RecordPeer, recordPeer } from './record-peer.js'

const RELAY: TicketAddress = { kind: 'relay', url: 'https://relay.example/' }
const OTHER: TicketAddress = { kind: 'relay', url: 'https://other.example/' }
const IP: TicketAddress = { kind: 'ip', host: '192.0.2.1', port: 4433 }

function publish(t: TestContext, server: PkarrServer, peer: RecordPeer, options: Partial<PkarrPublisherOptions> = {}) {
  const publisher = pkarrPublisher({ url: server.url, ...options })
  const publication = publisher.publish?.(peer.publishing)
  assert.ok(publication)
  t.after(() => publication.close())
  return publication
}

/** What everybody can find out about a peer. */
async function found(server: PkarrServer, peer: RecordPeer): Promise<readonly TicketAddress[]> {
  const { signal } = new AbortController()
  const addresses = await pkarrDiscovery({ url: server.url }).lookup(peer.id, { signal, readRecord: peer.readRecord })
  // The mark of an anypath peer is no place.
  return addresses.filter((address) => address.kind !== 'custom' || address.transportId !== 0x414e5950n)
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += 5) {
    assert.ok(waitedMs < 10_000, `never: ${what}`)
    await sleep(5)
  }
}

const puts = (server: PkarrServer) => server.log.filter((line) => line.startsWith('PUT')).length

test('only relays are published unless all addresses are asked for', async (t) => {
  const [server, peer, open] = [await PkarrServer.start(t), await recordPeer(t), await recordPeer(t)]
  publish(t, server, peer, { userData: 'room 7' }).update([IP, RELAY])
  publish(t, server, open, { publish: 'all' }).update([IP, RELAY])
  await until(() => server.packets.size === 2, 'both are published')
  assert.deepEqual(await found(server, peer), [RELAY])
  assert.deepEqual(await found(server, open), [RELAY, IP])
  assert.match(peer.log[0] ?? '', /^debug published/)
})

test('nothing is published as long as there is no relay', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  const publication = publish(t, server, peer)
  publication.update([])
  publication.update([IP])
  await sleep(50)
  await publication.close()
  assert.deepEqual(server.log, [])
})

test('a change is published, changes in a row together, and an unchanged record again and again', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  const publication = publish(t, server, peer, { republishMs: 100 })
  publication.update([RELAY])
  await until(() => puts(server) === 1, 'the first')
  const first = server.timestamp(peer.id)
  for (let turn = 0; turn < 10; turn++) publication.update([turn % 2 === 0 ? OTHER : RELAY])
  publication.update([OTHER])
  await until(() => puts(server) === 2, 'the change')
  assert.deepEqual(await found(server, peer), [OTHER])
  await until(() => puts(server) >= 4, 'republished')
  assert.ok(server.timestamp(peer.id) > first)
})

test('a record is withdrawn on close, and once no relay has been connected for a while', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  const publication = publish(t, server, peer, { withdrawAfterMs: 30 })
  publication.update([RELAY])
  await until(() => server.packets.size === 1, 'published')
  publication.update([])
  await until(() => puts(server) === 2, 'withdrawn')
  assert.deepEqual(await found(server, peer), [])
  publication.update([RELAY])
  await until(() => puts(server) === 3, 'published again')
  assert.deepEqual(await found(server, peer), [RELAY])
  await publication.close()
  await publication.close()
  assert.deepEqual(await found(server, peer), [])
  assert.equal(puts(server), 4)
  publication.update([OTHER])
  await sleep(30)
  assert.equal(puts(server), 4)
})

test('a relay that is back before long leaves the record as it was', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  const publication = publish(t, server, peer, { withdrawAfterMs: 1500 })
  publication.update([RELAY])
  await until(() => puts(server) === 1, 'published')
  publication.update([])
  publication.update([RELAY])
  await sleep(1800)
  assert.deepEqual(await found(server, peer), [RELAY])
})

test('a record from a clock ahead of ours is replaced', async (t) => {
  const secretKey = crypto.getRandomValues(new Uint8Array(32))
  const server = await PkarrServer.start(t)
  const ahead = await recordPeer(t, { secretKey, epochMs: () => Date.now() + 86_400_000 })
  publish(t, server, ahead).update([OTHER])
  await until(() => server.packets.size === 1, 'published ahead')
  const peer = await recordPeer(t, { secretKey })
  publish(t, server, peer).update([RELAY])
  await until(() => puts(server) === 2, 'published')
  assert.deepEqual(await found(server, peer), [RELAY])
  assert.ok(!server.log.some((line) => line.endsWith('409')), server.log.join('\n'))
})

test('a conflict is resolved by a newer record, once for each try', async (t) => {
  const secretKey = crypto.getRandomValues(new Uint8Array(32))
  const server = await PkarrServer.start(t)
  const [peer, twin] = [
    await recordPeer(t, { secretKey }),
    await recordPeer(t, { secretKey, epochMs: () => Date.now() + 60_000 }),
  ]
  const publication = publish(t, server, peer)
  publication.update([RELAY])
  await until(() => puts(server) === 1, 'published')
  publish(t, server, twin).update([RELAY])
  await until(() => puts(server) === 2, 'published by the twin')
  publication.update([OTHER])
  await until(() => puts(server) === 4, 'refused and published again')
  assert.equal(server.log.filter((line) => line.endsWith('409')).length, 1)
  assert.deepEqual(await found(server, peer), [OTHER])
  assert.ok(peer.log.some((line) => /in use elsewhere/.test(line)))
})

test('a relay that fails is tried again with growing pauses, and not before it asks for', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  const times: number[] = []
  server.intercept = (request, response) => {
    if (request.method !== 'PUT') return false
    times.push(Date.now())
    if (times.length > 4) return false
    response.writeHead(503, times.length === 4 ? { 'retry-after': '1' } : {}).end()
    return true
  }
  publish(t, server, peer, { retryMs: 20 }).update([RELAY])
  await until(() => server.packets.size === 1, 'published at last')
  const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
  for (const [index, atLeast] of [19, 39, 79, 999].entries()) assert.ok((pauses[index] ?? 0) >= atLeast, `${pauses}`)
  assert.deepEqual(await found(server, peer), [RELAY])
  assert.equal(peer.log.filter((line) => /did not take.*503/.test(line)).length, 4)
})

test('a relay that refuses is not asked again before the next time', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  server.intercept = (request, response) => request.method === 'PUT' && Boolean(response.writeHead(403).end())
  publish(t, server, peer, { retryMs: 1, closeTimeoutMs: 50 }).update([RELAY])
  await until(() => puts(server) === 1, 'refused')
  await sleep(100)
  assert.equal(puts(server), 1)
})

test('closing takes no longer than allowed when the relay is silent, and never rejects', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  const publication = publish(t, server, peer, { closeTimeoutMs: 100 })
  server.intercept = () => true
  publication.update([RELAY])
  await sleep(50)
  const started = Date.now()
  await publication.close()
  assert.ok(Date.now() - started < 2000)
  server.intercept = () => false
  const unanswered = publish(t, server, await recordPeer(t), { closeTimeoutMs: 100 })
  unanswered.update([RELAY])
  await until(() => server.packets.size === 1, 'published')
  server.intercept = (_request, response) => Boolean(response.destroy())
  await unanswered.close()
})

test('a record that the relay does not let be withdrawn is told of', async (t) => {
  const [server, peer] = [await PkarrServer.start(t), await recordPeer(t)]
  const publication = publish(t, server, peer)
  publication.update([RELAY])
  await until(() => server.packets.size === 1, 'published')
  server.intercept = (request, response) => request.method === 'PUT' && Boolean(response.writeHead(429).end())
  await publication.close()
  assert.match(peer.log.at(-1) ?? '', /^warn .*could not be withdrawn.*429/)
})

test('two publishers and two discoveries work side by side', async (t) => {
  const [one, two, peer] = [await PkarrServer.start(t), await PkarrServer.start(t), await recordPeer(t)]
  publish(t, one, peer).update([RELAY])
  publish(t, two, peer, { publish: 'all' }).update([IP])
  await until(() => one.packets.size === 1 && two.packets.size === 1, 'published on both')
  const { signal } = new AbortController()
  const discoveries = [one, two].map(({ url }) => pkarrDiscovery({ url }))
  const lookups = discoveries.map((each) => each.lookup(peer.id, { signal, readRecord: peer.readRecord }))
  const kinds = (await Promise.all(lookups)).flat().map(({ kind }) => kind)
  assert.deepEqual(kinds.filter((kind) => kind !== 'custom').sort(), ['ip', 'relay'])
})

test('user data that no record can hold is refused', () => {
  const publisher = (userData: string) => () => pkarrPublisher({ url: 'https://relay.example', userData })
  assert.throws(publisher('é'.repeat(118)), { code: 'InvalidArgument' })
  assert.throws(publisher('anypath:0'), { code: 'InvalidArgument' })
  assert.doesNotThrow(publisher('x'.repeat(235)))
})
