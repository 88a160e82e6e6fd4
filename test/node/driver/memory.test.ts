import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryHub } from '../../../src/transport/memory.js'
import type { Transport } from '../../../src/transport/transport.js'
import { FakeClock } from './fake-clock.js'

async function listening(transport: Transport): Promise<{ packets: [string, number, number][]; writables: number }> {
  const seen = { packets: [] as [string, number, number][], writables: 0 }
  await transport.start({
    receive: (host, port, data) => seen.packets.push([host, port, data.length]),
    writable: () => seen.writables++,
    changed: () => {},
    failed: () => {},
  })
  return seen
}

test('packets arrive after the delay, from the sender, cut at the segment size', async () => {
  const clock = new FakeClock()
  const hub = new MemoryHub({ clock, delayMs: 10 })
  const [a, b] = [hub.port('10.0.0.1', 1), hub.port('10.0.0.2', 2)]
  await listening(a)
  const seen = await listening(b)
  a.send({ host: '10.0.0.2', port: 2 }, new Uint8Array(25), 10)
  await clock.advance(9)
  assert.deepEqual(seen.packets, [])
  await clock.advance(1)
  assert.deepEqual(seen.packets, [
    ['10.0.0.1', 1, 10],
    ['10.0.0.1', 1, 10],
    ['10.0.0.1', 1, 5],
  ])
})

test('lost, oversized and undeliverable packets vanish, and those that never left are counted', async () => {
  const clock = new FakeClock()
  let sent = 0
  const hub = new MemoryHub({ clock, loses: () => sent++ % 2 === 0, maxPacketBytes: 100 })
  const [a, b] = [hub.port('10.0.0.1', 1), hub.port('10.0.0.2', 2)]
  await listening(a)
  const seen = await listening(b)
  for (let packet = 0; packet < 4; packet++) a.send({ host: '10.0.0.2', port: 2 }, new Uint8Array(5), 0)
  a.send({ host: '10.0.0.2', port: 2 }, new Uint8Array(101), 0)
  a.send({ host: '10.0.0.9', port: 9 }, new Uint8Array(5), 0)
  await clock.advance(1)
  assert.equal(seen.packets.length, 2)
  assert.deepEqual(a.drops, { 'too-large': 1 })
})

test('a slow link fills its queue, drops beyond it, and says when there is room again', async () => {
  const clock = new FakeClock()
  const hub = new MemoryHub({ clock, bytesPerSecond: 1000, queueBytes: 100 })
  const [a, b] = [hub.port('10.0.0.1', 1), hub.port('10.0.0.2', 2)]
  const sender = await listening(a)
  const seen = await listening(b)
  a.send({ host: '10.0.0.2', port: 2 }, new Uint8Array(150), 50)
  assert.equal(a.writableBytes, 0)
  assert.deepEqual(a.drops, { 'queue-full': 1 })
  await clock.advance(49)
  assert.deepEqual([seen.packets.length, sender.writables], [0, 0])
  await clock.advance(1)
  assert.deepEqual([seen.packets.length, sender.writables, a.writableBytes], [1, 1, 50])
})

test('an address belongs to one port until it is closed', async () => {
  const clock = new FakeClock()
  const hub = new MemoryHub({ clock })
  const first = hub.port('10.0.0.1', 1)
  await listening(first)
  await assert.rejects(listening(hub.port('10.0.0.1', 1)), { code: 'AddressInUse' })
  await first.close()
  await first.close()
  await listening(hub.port('10.0.0.1', 1))
  first.send({ host: '10.0.0.1', port: 1 }, new Uint8Array(1), 0)
  assert.deepEqual(first.drops, { closed: 1 })
})
