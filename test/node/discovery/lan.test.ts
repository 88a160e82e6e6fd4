import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, encode } from 'dns-packet'
import type { Publication, TicketAddress } from '../../../src/discovery/index.js'
import type { LanDiscovery } from '../../../src/discovery/lan/lan.node.js'
import { encodeAnnouncement, encodeGoodbye, encodeQuery, readMessage } from '../../../src/discovery/lan/message.node.js'
import { FakeSegment } from './fake-segment.js'

const ID = 'aa'.repeat(32)
const OTHER = 'bb'.repeat(32)
const HERE: TicketAddress = { kind: 'ip', host: '192.0.2.7', port: 4433 }
const THERE: TicketAddress = { kind: 'ip', host: '192.0.2.8', port: 4433 }

const idOf = (at: number): string => at.toString(16).padStart(64, '0')

function announced(
  segment: FakeSegment,
  id: string,
  addresses: readonly TicketAddress[],
): { publication: Publication; lan: LanDiscovery } {
  const lan = segment.discovery()
  const publication = lan.publish?.(segment.peer(id))
  assert.ok(publication)
  publication.update(addresses)
  return { publication, lan }
}

function find(lan: LanDiscovery, id: string, fresh = false, signal = new AbortController().signal) {
  return lan.lookup(id, { signal, fresh })
}

const hostsOf = (found: readonly TicketAddress[]) => found.map((address) => (address.kind === 'ip' ? address.host : ''))

/** What was sent, as `question`, `announcement` or `goodbye` and the time. */
function said(segment: FakeSegment, family = 4): string[] {
  return segment.sent
    .filter((sent) => sent.family === family)
    .map(({ atMs, packet }) => {
      const message = readMessage(packet)
      const kind =
        message.kind === 'query'
          ? 'question'
          : (message.peers[0]?.addresses.length ?? 0) > 0
            ? 'announcement'
            : 'goodbye'
      return `${kind} ${Math.round(atMs)}`
    })
}

test('a peer is found by its id alone, and at once when it was heard of before', async () => {
  const segment = new FakeSegment()
  announced(segment, ID, [HERE, { kind: 'relay', url: 'https://relay.example/' }])
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  assert.deepEqual(await find(lan, ID), [HERE])
  const looking = segment.discovery({ announce: false })
  assert.equal(looking.publish, undefined)
  assert.deepEqual(await segment.clock.until(find(looking, ID), 1500), [HERE])
  assert.deepEqual(looking.drops, {})
})

test('a lookup of somebody who is not there asks a few times and gives up, or is given up', async () => {
  const segment = new FakeSegment()
  const lan = segment.discovery({ timeoutMs: 3500 })
  assert.deepEqual(await segment.clock.until(find(lan, ID)), [])
  assert.deepEqual(said(segment), ['question 0', 'question 1000', 'question 3000'])
  assert.equal(said(segment, 6).length, 3)
  assert.equal(segment.joined, 0)
  assert.equal(segment.clock.timers, 0)
  const giveUp = new AbortController()
  const found = find(lan, ID, false, giveUp.signal)
  await segment.clock.advance(10)
  giveUp.abort()
  assert.deepEqual(await found, [])
  assert.deepEqual(await find(lan, ID, false, AbortSignal.abort()), [])
  assert.equal(segment.clock.timers, 0)
})

test('many lookups ask together', async () => {
  const segment = new FakeSegment()
  const lan = segment.discovery({ timeoutMs: 900 })
  const all = Promise.all(Array.from({ length: 20 }, (_, at) => find(lan, idOf(at))))
  await segment.clock.until(all)
  assert.deepEqual(said(segment), ['question 0', 'question 200', 'question 400'])
})

test('news is told twice, and questions are answered at most once a second', async () => {
  const segment = new FakeSegment()
  const { publication } = announced(segment, ID, [HERE])
  await segment.clock.advance(5000)
  assert.deepEqual(said(segment), ['announcement 0', 'announcement 1000'])
  for (let turn = 0; turn < 100; turn++) {
    segment.inject(encodeQuery([]))
    await segment.clock.advance(20)
  }
  assert.deepEqual(said(segment).slice(2), ['announcement 5070', 'announcement 6070'])
  assert.equal(said(segment, 6).length, 2)
  publication.update([HERE])
  await segment.clock.advance(2000)
  assert.equal(said(segment).length, 5)
  publication.update([THERE])
  await segment.clock.advance(2000)
  assert.equal(said(segment).length, 7)
})

test('whoever is known already, or is not asked for, stays silent', async () => {
  const segment = new FakeSegment()
  announced(segment, ID, [HERE])
  await segment.clock.advance(5000)
  const before = segment.sent.length
  const service = '_irohv1._udp.local'
  const letters = 'vkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkvkva'
  const [instance, target] = [`${letters}.${service}`, `${letters}-4433.local`]
  const all: Answer[] = [
    { name: service, type: 'PTR', ttl: 120, data: instance },
    { name: instance, type: 'SRV', ttl: 120, data: { port: 4433, target } },
    { name: target, type: 'A', ttl: 60, data: '192.0.2.7' },
  ]
  const ask = async (answers: Answer[]) => {
    segment.inject(encode({ type: 'query', questions: [{ name: service, type: 'PTR' }], answers }))
    await segment.clock.advance(5000)
  }
  await ask(all)
  segment.inject(encode({ type: 'query', questions: [{ name: `printer.${service}`, type: 'SRV' }] }))
  await segment.clock.advance(5000)
  assert.equal(segment.sent.length, before)
  // Who lacks a record, has another address, or has had it for long, is told.
  const [ptr, srv, a] = all as [Answer, Answer, Answer]
  const lacking = [[ptr], [ptr, srv], [ptr, srv, { ...a, data: '192.0.2.66' }], [ptr, srv, { ...a, ttl: 59 }]]
  for (const [told, answers] of lacking.entries()) {
    await ask(answers as Answer[])
    assert.equal(segment.sent.length, before + told + 1)
  }
})

test('the more peers there are, the rarer does one answer a question to all, but not one to itself', async () => {
  const segment = new FakeSegment()
  announced(segment, ID, [HERE])
  await segment.clock.advance(1000)
  for (let at = 1; at <= 60; at++) {
    const host = `192.0.2.${at + 100}`
    segment.inject(encodeAnnouncement(idOf(at), [{ host, port: at }]), { host })
  }
  await segment.clock.advance(5000)
  const before = segment.sent.length
  for (let turn = 0; turn < 8; turn++) {
    segment.inject(encodeQuery([]))
    await segment.clock.advance(1000)
  }
  assert.equal(segment.sent.length - before, 2)
  segment.inject(encodeQuery([ID]))
  await segment.clock.advance(1000)
  assert.equal(segment.sent.length - before, 3)
})

test('a peer that is closed says goodbye, and nothing is left of it', async () => {
  const segment = new FakeSegment()
  const { publication } = announced(segment, ID, [HERE])
  const lan = announced(segment, OTHER, [THERE])
  await segment.clock.advance(2000)
  assert.deepEqual(await find(lan.lan, ID), [HERE])
  await publication.close()
  await publication.close()
  publication.update([THERE])
  assert.match(said(segment).at(-1) ?? '', /^goodbye/)
  assert.deepEqual(await segment.clock.until(find(lan.lan, ID)), [])
  await lan.publication.close()
  assert.equal(segment.joined, 0)
  assert.equal(segment.clock.timers, 0)
})

test('a peer without an address that others can use is silent, and takes back what it had', async () => {
  const segment = new FakeSegment()
  const useless = ['127.0.0.1', '0.0.0.0', '::1', '::', 'fe80::1', 'fe80::1%eth0'].map(
    (host): TicketAddress => ({ kind: 'ip', host, port: 1 }),
  )
  const { publication } = announced(segment, ID, [...useless, { ...HERE, port: 0 } as TicketAddress])
  await segment.clock.advance(3000)
  assert.deepEqual(segment.sent, [])
  publication.update([...useless, HERE])
  await segment.clock.advance(3000)
  publication.update(useless)
  await segment.clock.advance(3000)
  assert.deepEqual(said(segment), ['announcement 3000', 'announcement 4000', 'goodbye 6000'])
  await publication.close()
  assert.equal(said(segment).length, 3)
})

test('one discovery serves several peers', async () => {
  const segment = new FakeSegment()
  const lan = segment.discovery()
  const publications = [ID, OTHER].map((id) => lan.publish?.(segment.peer(id)))
  publications[0]?.update([HERE])
  publications[1]?.update([THERE])
  await segment.clock.advance(3000)
  assert.equal(segment.joined, 1)
  const looking = segment.discovery({ announce: false })
  assert.deepEqual(await segment.clock.until(find(looking, ID)), [HERE])
  assert.deepEqual(await segment.clock.until(find(looking, OTHER)), [THERE])
  await publications[0]?.close()
  assert.equal(segment.joined, 1)
  await publications[1]?.close()
  assert.equal(segment.joined, 0)
})

test('an answer holds as long as it says, and no longer than two minutes', async () => {
  const segment = new FakeSegment()
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  segment.inject(encodeAnnouncement(ID, [{ host: '192.0.2.7', port: 4433 }]))
  await segment.clock.advance(119_000)
  assert.deepEqual(await find(lan, ID), [HERE])
  await segment.clock.advance(1000)
  assert.deepEqual(await segment.clock.until(find(lan, ID)), [])
})

test('a lookup that must be fresh waits for an answer that is given now', async () => {
  const segment = new FakeSegment()
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  segment.inject(encodeAnnouncement(ID, [{ host: '192.0.2.7', port: 4433 }]))
  const fresh = find(lan, ID, true)
  await segment.clock.advance(500)
  segment.inject(encodeAnnouncement(ID, [{ host: '192.0.2.8', port: 4433 }]))
  assert.deepEqual(await fresh, [THERE])
})

test('addresses that are not on the link are dropped and counted, and an answer without any other is none', async () => {
  const segment = new FakeSegment()
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  const sockets = ['127.0.0.1', '0.0.0.0', '224.0.0.251', '192.0.2.255', '8.8.8.8', '::1', 'ff02::fb'].map((host) => ({
    host,
    port: 53,
  }))
  segment.inject(encodeAnnouncement(ID, [...sockets, { host: '192.0.2.7', port: 0 }]))
  const found = find(lan, ID)
  await segment.clock.advance(100)
  segment.inject(
    encodeAnnouncement(ID, [...sockets, { host: '192.0.2.7', port: 4433 }, { host: '192.0.2.7', port: 4433 }]),
  )
  assert.deepEqual(await found, [HERE])
  assert.deepEqual(lan.drops, { address: 15 })
})

test('answers from elsewhere, from other ports and about ourselves are dropped', async () => {
  const segment = new FakeSegment()
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  const forged = encodeAnnouncement(ID, [{ host: '192.0.2.66', port: 1 }])
  segment.inject(forged, { host: '203.0.113.1' })
  segment.inject(forged, { port: 40_000 })
  segment.inject(encodeQuery([OTHER]), { port: 40_000 })
  segment.inject(encodeGoodbye(OTHER, [{ host: '192.0.2.8', port: 4433 }]))
  segment.inject(Buffer.concat([forged.subarray(0, 150)]))
  assert.deepEqual(lan.drops, { foreign: 3, malformed: 1 })
  assert.deepEqual(await segment.clock.until(find(lan, ID)), [])
})

test('a flood is counted and forgotten: memory and work are bounded, and a lookup afterwards finds', async () => {
  const segment = new FakeSegment()
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  const sockets = Array.from({ length: 14 }, (_, at) => ({ host: `192.0.2.${at + 10}`, port: 9 }))
  for (let at = 1; at <= 4000; at++) segment.inject(encodeAnnouncement(idOf(at), sockets))
  assert.equal(lan.drops.flood, 3950)
  const before = segment.sent.length
  for (let at = 1; at <= 4000; at++) segment.inject(encodeQuery([OTHER]))
  await segment.clock.advance(990)
  assert.ok(segment.sent.length - before <= 4)
  const found = find(lan, ID)
  await segment.clock.advance(500)
  segment.inject(encodeAnnouncement(ID, [{ host: '192.0.2.7', port: 4433 }]))
  assert.deepEqual(await found, [HERE])
})

test('a link that cannot be joined fails lookups, and announcing is tried again later', async () => {
  const segment = new FakeSegment()
  segment.failure = new Error('the port is taken')
  const warnings: string[] = []
  const lan = segment.discovery()
  const publication = lan.publish?.(segment.peer(ID, warnings))
  publication?.update([HERE])
  await segment.clock.advance(10)
  await assert.rejects(find(lan, OTHER), /the port is taken/)
  assert.deepEqual(warnings, ['the peer cannot be announced on the local network: the port is taken'])
  segment.failure = undefined
  await segment.clock.advance(31_000)
  assert.equal(said(segment)[0]?.split(' ')[0], 'announcement')
  await publication?.close()
  assert.equal(segment.joined, 0)
  assert.equal(segment.clock.timers, 0)
})

test('a publication that is closed while the link cannot be joined leaves nothing', async () => {
  const segment = new FakeSegment()
  segment.failure = new Error('no')
  const publication = segment.discovery().publish?.(segment.peer(ID))
  await segment.clock.advance(10)
  await publication?.close()
  assert.equal(segment.clock.timers, 0)
})

test('who answers first does not end a lookup: what others say is told until the dial has ended, and remembered', async () => {
  const segment = new FakeSegment()
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  const ended = new AbortController()
  const more: TicketAddress[] = []
  const found = lan.lookup(ID, { signal: ended.signal, more: (addresses) => more.push(...addresses) })
  const forged = encodeAnnouncement(ID, [{ host: '192.0.2.66', port: 1 }])
  const right = encodeAnnouncement(ID, [{ host: '192.0.2.7', port: 4433 }])
  await segment.clock.advance(10)
  segment.inject(forged)
  assert.deepEqual(await found, [{ kind: 'ip', host: '192.0.2.66', port: 1 }])
  await segment.clock.advance(1500)
  assert.equal(said(segment).filter((what) => what.startsWith('question')).length, 2)
  segment.inject(right, { host: '192.0.2.7' })
  segment.inject(right, { host: '192.0.2.7' })
  segment.inject(encodeGoodbye(ID, [{ host: '192.0.2.7', port: 4433 }]), { host: '192.0.2.66' })
  assert.deepEqual(more, [HERE])
  ended.abort()
  segment.inject(encodeAnnouncement(ID, [{ host: '192.0.2.9', port: 9 }]), { host: '192.0.2.9' })
  assert.deepEqual(more, [HERE])
  assert.deepEqual(hostsOf(await find(lan, ID)), ['192.0.2.9', '192.0.2.7'])
})

test('a lookup that is being told more listens until its dial ends, and not longer', async () => {
  const segment = new FakeSegment()
  const lan = segment.discovery({ announce: false })
  const ended = new AbortController()
  const found = lan.lookup(ID, { signal: ended.signal, more: () => {} })
  await segment.clock.advance(10)
  segment.inject(encodeAnnouncement(ID, [{ host: '192.0.2.7', port: 4433 }]))
  assert.deepEqual(await found, [HERE])
  await segment.clock.advance(9000)
  assert.equal(segment.joined, 1)
  ended.abort()
  await segment.clock.advance(1)
  assert.equal(segment.joined, 0)
  assert.equal(segment.clock.timers, 0)
})

test('of one source four addresses are taken, its own first, and of a peer what eight sources say', async () => {
  const segment = new FakeSegment()
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  const sockets = Array.from({ length: 10 }, (_, at) => ({ host: `192.0.2.${at + 10}`, port: 9 }))
  segment.inject(encodeAnnouncement(ID, sockets), { host: '192.0.2.19' })
  const [first, ...rest] = hostsOf(await find(lan, ID))
  assert.deepEqual([first, rest.length], ['192.0.2.19', 3])
  for (let at = 20; at < 40; at++) {
    segment.inject(encodeAnnouncement(ID, [{ host: `192.0.2.${at}`, port: 9 }]), { host: `192.0.2.${at}` })
  }
  assert.deepEqual(
    hostsOf(await find(lan, ID)),
    Array.from({ length: 8 }, (_, at) => `192.0.2.${39 - at}`),
  )
})

test('who floods hides nobody else, and all together are bounded as well', async () => {
  const segment = new FakeSegment()
  const { lan } = announced(segment, OTHER, [THERE])
  await segment.clock.advance(10)
  const forged = encodeAnnouncement(ID, [{ host: '192.0.2.66', port: 1 }])
  const found = find(lan, ID)
  for (let turn = 0; turn < 500; turn++) segment.inject(forged)
  assert.equal((await found).length, 1)
  segment.inject(encodeAnnouncement(ID, [{ host: '192.0.2.7', port: 4433 }]), { host: '192.0.2.7' })
  assert.deepEqual((await find(lan, ID))[0], HERE)
  assert.deepEqual(lan.drops, { flood: 450 })
  for (let at = 100; at < 200; at++) {
    for (let turn = 0; turn < 50; turn++) segment.inject(forged, { host: `192.0.2.${at}` })
  }
  assert.equal(lan.drops.flood, 450 + 5000 - (1000 - 51))
})
