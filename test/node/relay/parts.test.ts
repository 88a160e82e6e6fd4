import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { AddressCounter, addressGroup } from '../../../src/relay/addresses.js'
import { createMetrics } from '../../../src/relay/metrics.js'
import { resolveRelayOptions } from '../../../src/relay/options.js'
import { Outbox, TurnEnd } from '../../../src/relay/outbox.js'
import { RecordStore } from '../../../src/relay/record-store.js'
import { TokenBucket } from '../../../src/relay/token-bucket.js'

test('addresses of one IPv6 network, and both forms of an IPv4 address, are one', () => {
  assert.equal(addressGroup('2001:db8::1'), '2001:db8:0:0')
  assert.equal(addressGroup('2001:DB8:0:0:ffff::'), '2001:db8:0:0')
  assert.equal(addressGroup('2001:db8:0:1::1'), '2001:db8:0:1')
  assert.equal(addressGroup('fe80::1%eth0'), 'fe80:0:0:0')
  assert.equal(addressGroup('::1'), '0:0:0:0')
  assert.equal(addressGroup('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(addressGroup('192.0.2.1'), '192.0.2.1')
  assert.equal(addressGroup(undefined), '')
})

test('an address is counted up to its limit and back', () => {
  const counter = new AddressCounter(2)
  assert.deepEqual([counter.add('a'), counter.add('a'), counter.add('a'), counter.add('b')], [true, true, false, true])
  counter.remove('a')
  assert.equal(counter.add('a'), true)
})

test('an allowance refills with time, up to what may be used at once', () => {
  const bucket = new TokenBucket(100, 50, 0)
  assert.equal(bucket.take(50, 0), 0)
  assert.equal(bucket.take(10, 0), 100)
  assert.equal(bucket.tryTake(1, 100), false)
  assert.equal(bucket.tryTake(1, 110), true)
  assert.equal(bucket.isFull(600), false)
  assert.equal(bucket.isFull(700), true)
  assert.equal(new TokenBucket(0, 0, 0).take(1e9, 0), 0)
})

/** A socket that takes what it is given until it is blocked. */
class FakeSocket extends EventEmitter {
  readonly written: Buffer[] = []
  blocked = false

  write(bytes: Buffer): boolean {
    this.written.push(Buffer.from(bytes))
    return !this.blocked
  }
}

function outboxOf(limits: object) {
  const socket = new FakeSocket()
  const metrics = createMetrics()
  const clock = { now: 0 }
  const outbox = new Outbox(socket as unknown as Socket, {
    limits: resolveRelayOptions({ limits }).limits,
    metrics,
    turnEnd: new TurnEnd(),
    now: () => clock.now,
  })
  return { socket, metrics, clock, outbox }
}

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

test('what is sent in one turn is written at once, as frames of each length', async () => {
  const { socket, outbox, metrics } = outboxOf({})
  for (const length of [0, 125, 126, 65_535, 65_536]) assert.ok(outbox.offer(Buffer.alloc(length, 7)))
  assert.equal(socket.written.length, 0)
  await turn()
  const bytes = Buffer.concat(socket.written)
  const lengths = []
  let at = 0
  while (at < bytes.length) {
    assert.equal(bytes[at], 0x82)
    const short = bytes[at + 1] ?? 0
    const [header, length] =
      short < 126 ? [2, short] : short === 126 ? [4, bytes.readUInt16BE(at + 2)] : [10, bytes.readUInt32BE(at + 6)]
    lengths.push(length)
    assert.ok(bytes.subarray(at + header, at + header + length).every((byte) => byte === 7))
    at += header + length
  }
  assert.deepEqual(lengths, [0, 125, 126, 65_535, 65_536])
  assert.equal(metrics.queuedBytes, 0)
  assert.ok(socket.written.length <= 4)
})

test('while a socket takes nothing, what waits is bounded in bytes and in age', async () => {
  const { socket, outbox, metrics, clock } = outboxOf({ queueBytes: 65_536, queueAgeMs: 100 })
  socket.blocked = true
  outbox.offer(Buffer.alloc(10))
  await turn()
  assert.equal(socket.written.length, 1)
  let taken = 0
  for (let i = 0; i < 100; i++) if (outbox.offer(Buffer.alloc(1_000))) taken++
  assert.equal(taken, 65)
  assert.equal(metrics.droppedQueue, 35)
  await turn()
  assert.equal(socket.written.length, 1, 'nothing is written until the socket drains')
  clock.now = 101
  outbox.expire(101)
  assert.equal(metrics.queuedBytes, 0)
  assert.equal(metrics.droppedAge, 65 * 1_004)
  outbox.offer(Buffer.alloc(20))
  socket.blocked = false
  socket.emit('drain')
  assert.equal(socket.written.length, 2)
  outbox.offer(Buffer.alloc(20))
  outbox.close()
  assert.equal(metrics.queuedBytes, 0)
  assert.equal(outbox.offer(Buffer.alloc(1)), false)
  await turn()
  assert.equal(socket.written.length, 2)
})

test("all clients together have a limit, and the relay's own messages a reserve", async () => {
  const { outbox, metrics } = outboxOf({ queueBytes: 65_536, totalQueueBytes: 65_536 })
  metrics.queuedBytes = 65_000
  assert.equal(outbox.offer(Buffer.alloc(1_000)), false)
  outbox.send(Buffer.alloc(1_000))
  assert.equal(metrics.queuedBytes, 66_004)
})

test('of the records the one that was put longest ago goes first, and each goes when it is old', () => {
  const clock = { now: 1_000_000 }
  const metrics = createMetrics()
  const { limits } = resolveRelayOptions({ limits: { maxRecords: 2, recordAgeMs: 1_000 } })
  const store = new RecordStore(limits, metrics, () => clock.now)
  const [one, two, three] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer, Buffer]
  const payload = (byte: number) => Buffer.concat([Buffer.alloc(72), Buffer.from([byte])])
  assert.equal(store.put(one, payload(1), 5), 'stored')
  assert.equal(store.put(two, payload(2), 5), 'stored')
  assert.equal(store.put(one, payload(1), 5), 'stored')
  assert.equal(store.put(one, payload(0), 5), 'older')
  assert.equal(store.put(one, payload(9), 4), 'older')
  assert.equal(store.put(three, payload(3), 5), 'stored')
  assert.equal(store.get(two), undefined)
  assert.deepEqual(store.get(one), payload(1))
  assert.equal(metrics.records, 2)
  clock.now += 1_001
  assert.equal(store.get(one), undefined)
  store.expire()
  assert.equal(metrics.records, 0)
  assert.equal(store.put(one, payload(1), 2_000_000_000_000_000), 'future')
})
