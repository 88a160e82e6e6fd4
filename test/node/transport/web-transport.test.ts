import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { framed, PacketReader } from '../../../src/transport/packet-stream.js'
import { WebTransportSessions } from '../../../src/transport/web-transport.js'
import { FakeWebTransport } from './fake-web-transport.js'

const packetOf = (length: number, first = 0) => new Uint8Array(length).map((_, index) => (first + index) & 0xff)

/** A session over a fake one, and what it told. */
function dialled() {
  const transport = new FakeWebTransport()
  const told: string[] = []
  const packets: Uint8Array[] = []
  const dropped = { count: 0 }
  const room = { told: 0 }
  const session = new WebTransportSessions(() => transport).dial('https://192.0.2.1:1/', [], {
    opened: () => told.push('opened'),
    packet: (data) => packets.push(data.slice()),
    writable: () => {
      room.told += 1
    },
    pause: async () => {},
    dropped: () => {
      dropped.count += 1
    },
    closed: () => told.push('closed'),
  })
  return { dropped, room, transport, session, told, packets }
}

async function opened() {
  const all = dialled()
  all.transport.open()
  await sleep(1)
  assert.deepEqual(all.told, ['opened'])
  return all
}

test('packets of a turn go on the stream in one write, in their order', async () => {
  const { transport, session } = await opened()
  session.send(packetOf(5 * 100), 100)
  session.send(packetOf(1200, 7), 0)
  await sleep(1)
  assert.equal(transport.written.length, 1)
  const found: Uint8Array[] = []
  new PacketReader().push(transport.written[0] ?? new Uint8Array(), (packet) => found.push(packet.slice()))
  assert.deepEqual(
    found.map(({ length }) => length),
    [100, 100, 100, 100, 100, 1200],
  )
  assert.deepEqual(found.at(-1), packetOf(1200, 7))
})

test('what is sent while a write is under way goes with the next one', async () => {
  const { transport, session } = await opened()
  let go = () => {}
  transport.stuck = new Promise((resolve) => {
    go = resolve
  })
  for (let count = 0; count < 9; count++) {
    session.send(packetOf(50), 0)
    await sleep(1)
  }
  assert.equal(transport.written.length, 1)
  go()
  await sleep(1)
  assert.deepEqual(
    transport.written.map(({ length }) => length),
    [52, 8 * 52],
  )
  assert.equal(session.writableBytes, 1024 * 1024)
})

test('the bytes are the caller’s again at once', async () => {
  const { transport, session } = await opened()
  const packet = packetOf(100)
  session.send(packet, 0)
  packet.fill(0xff)
  await sleep(1)
  assert.deepEqual(transport.written, [framed(packetOf(100))])
})

test('a stream that never drains takes a megabyte and drops the rest', async () => {
  const { transport, session, dropped } = await opened()
  transport.stuck = new Promise(() => {})
  for (let round = 0; round < 200; round++) session.send(packetOf(16 * 1200), 1200)
  await sleep(1)
  assert.ok(session.writableBytes < 1300 && session.writableBytes >= 0, `${session.writableBytes} B`)
  assert.ok(dropped.count > 2000)
})

test('whoever waits for room is told when a stream takes nothing for three seconds', async () => {
  const { transport, session, room } = await opened()
  transport.stuck = new Promise(() => {})
  session.send(packetOf(1200), 0)
  await sleep(100)
  assert.equal(room.told, 0)
  await sleep(3100)
  assert.deepEqual([room.told, session.writableBytes], [1, 1024 * 1024])
})

test('what comes in datagrams and on streams, however it is cut, is handed on', async () => {
  const { transport, packets } = await opened()
  transport.deliver(packetOf(1200))
  const stream = transport.stream()
  const bytes = Uint8Array.of(...framed(packetOf(1200)), ...framed(packetOf(3)), ...framed(packetOf(500)))
  for (let at = 0; at < bytes.length; at += 7) stream.enqueue(bytes.subarray(at, at + 7))
  await sleep(20)
  assert.deepEqual(
    packets.map(({ length }) => length),
    [1200, 1200, 3, 500],
  )
})

test('what is no packet ends the session, with one event', async () => {
  for (const bytes of [
    [0, 0],
    [0xff, 0xff, 1],
  ]) {
    const { transport, told } = await opened()
    transport.stream().enqueue(Uint8Array.from(bytes))
    await sleep(5)
    assert.deepEqual(told, ['opened', 'closed'])
    assert.equal(transport.closes, 1)
  }
})

test('only one stream of the remote is read', async () => {
  const { transport, packets } = await opened()
  const streams = Array.from({ length: 6 }, () => transport.stream())
  await sleep(5)
  for (const stream of streams) stream.enqueue(framed(packetOf(9)))
  await sleep(5)
  assert.equal(packets.length, 1)
})

test('a session that can’t be opened says so once, by whichever promise', async () => {
  const { transport, told } = dialled()
  transport.fail(new Error('no'))
  transport.end(new Error('no again'))
  await sleep(5)
  assert.deepEqual(told, ['closed'])
})

test('a constructor that throws is told in a later turn', async () => {
  const told: string[] = []
  new WebTransportSessions(() => {
    throw new TypeError('not a hash')
  }).dial('https://192.0.2.1:1/', [], {
    opened: () => {},
    packet: () => {},
    writable: () => {},
    pause: async () => {},
    dropped: () => {},
    closed: () => told.push('closed'),
  })
  assert.deepEqual(told, [])
  await sleep(5)
  assert.deepEqual(told, ['closed'])
})

test('an end by either side, and a close while dialling, tells nothing more', async () => {
  const remote = await opened()
  remote.transport.end()
  await sleep(5)
  assert.deepEqual(remote.told, ['opened', 'closed'])
  remote.session.send(packetOf(16 * 100), 100)
  await sleep(5)
  const local = await opened()
  local.session.close()
  local.session.close()
  local.transport.deliver(packetOf(10))
  local.transport.end(new Error('later'))
  await sleep(5)
  assert.deepEqual([local.told, local.packets, local.transport.closes], [['opened'], [], 1])
  const early = dialled()
  early.session.close()
  early.transport.open()
  await sleep(5)
  assert.deepEqual([early.told, early.transport.closes], [[], 1])
})

test('what was sent last leaves before the session is closed', async () => {
  const { transport, session } = await opened()
  session.send(packetOf(16 * 100), 100)
  session.close()
  await sleep(5)
  assert.deepEqual([transport.written.length, transport.closes], [1, 1])
  const slow = await opened()
  let arrive = () => {}
  slow.transport.leaving = new Promise((resolve) => {
    arrive = resolve
  })
  slow.session.send(packetOf(16 * 100), 100)
  await sleep(5)
  slow.session.close()
  await sleep(20)
  assert.equal(slow.transport.closes, 0, 'what was written has not left yet')
  arrive()
  await sleep(5)
  assert.equal(slow.transport.closes, 1)
  const stuck = await opened()
  stuck.transport.stuck = new Promise(() => {})
  stuck.session.send(packetOf(16 * 100), 100)
  stuck.session.close()
  await sleep(20)
  assert.equal(stuck.transport.closes, 0)
  await sleep(1100)
  assert.equal(stuck.transport.closes, 1, 'but a stuck one is not waited for')
})
