import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_LIMITS } from '../../../src/config/index.js'
import { PEER_FIELDS } from '../../../src/core/stats.js'
import { createEngine } from '../../../src/driver/create.js'
import type { Engine, EngineEvent } from '../../../src/driver/engine.js'
import type { RelayDialer, RelaySocketEvents } from '../../../src/transport/transport.js'
import { FakeClock } from './fake-clock.js'
import { FakeCore } from './fake-core.js'

const RELAY = 0x8000_0000
const URL_TEXT = 'http://relay.example:3340/'

/** A WebSocket of which a test decides what comes and how much waits. */
class FakeSocket {
  queuedBytes = 0
  closed = false
  readonly sent: Uint8Array[] = []

  constructor(
    readonly url: string,
    readonly events: RelaySocketEvents,
  ) {}

  send(message: Uint8Array): void {
    this.sent.push(message.slice())
  }

  close(): void {
    this.closed = true
  }
}

async function staged() {
  const clock = new FakeClock()
  const core = new FakeCore()
  // All of them 0; a core for browsers tells no more.
  core.results.peer_stats = PEER_FIELDS.indexOf('stunRequestsSent') * 8
  const sockets: FakeSocket[] = []
  const relayDialer: RelayDialer = {
    dial: (url, events) => {
      const socket = new FakeSocket(url, events)
      sockets.push(socket)
      return socket
    },
  }
  const engine = await createEngine({
    secretKey: new Uint8Array(32),
    alpns: [],
    transports: [],
    core: core.program(),
    limits: DEFAULT_LIMITS,
    clock,
    relays: [URL_TEXT],
    relayDialer,
  })
  const events: EngineEvent[] = []
  engine.onEvent((event) => events.push(event))
  const drained = async () => {
    engine.wake()
    await clock.advance(1)
  }
  const opened = async () => {
    core.record(19, RELAY, (w) => w.bytes(new TextEncoder().encode(URL_TEXT)))
    await drained()
    const socket = sockets.at(-1)
    assert.ok(socket)
    return socket
  }
  const calls = (name: string) => core.calls.filter(([method]) => method === name)
  return { clock, core, engine, events, sockets, drained, opened, calls }
}

test('the core is given the relays, and a WebSocket is opened when it asks for one', async () => {
  const { opened, calls, core } = await staged()
  assert.equal(calls('set_relays').length, 1)
  const socket = await opened()
  assert.equal(socket.url, URL_TEXT)
  socket.events.opened(2)
  assert.deepEqual(calls('relay_opened')[0]?.slice(2), [RELAY, 2])
  socket.events.message(new Uint8Array([9, 1, 2, 3]))
  core.results.ingest = (_now: number, length: number) => {
    const at = 64 * 1024
    assert.deepEqual(
      [...new Uint8Array(core.memory.buffer, at, length)],
      [2, 0, 0, 0, 128, 4, 0, 0, 0, 9, 1, 2, 3],
      'an input record of kind 2',
    )
  }
})

test('messages go out in order, and packets are dropped and counted when the queue is full or stuck', async () => {
  const { opened, core, drained, engine, clock } = await staged()
  const socket = await opened()
  const datagram = new Uint8Array([4, 7, 7])
  const ping = new Uint8Array([9, 1])
  core.record(20, RELAY, (w) => w.bytes(datagram))
  core.record(20, RELAY, (w) => w.bytes(ping))
  await drained()
  assert.deepEqual(socket.sent, [datagram, ping])
  socket.queuedBytes = 1024 * 1024
  core.record(20, RELAY, (w) => w.bytes(datagram))
  core.record(20, RELAY, (w) => w.bytes(ping))
  await drained()
  assert.deepEqual(socket.sent, [datagram, ping, ping], 'control messages are never dropped')
  // What waits does not get less for longer than packets are worth keeping.
  socket.queuedBytes = 5
  core.record(20, RELAY, (w) => w.bytes(datagram))
  await drained()
  assert.equal(socket.sent.length, 4)
  socket.queuedBytes = 8
  await clock.advance(3500)
  core.record(20, RELAY, (w) => w.bytes(datagram))
  await drained()
  assert.equal(socket.sent.length, 4)
  socket.queuedBytes = 0
  core.record(20, RELAY, (w) => w.bytes(datagram))
  await drained()
  assert.equal(socket.sent.length, 5, 'an empty queue is not stuck')
  assert.equal((await drops(engine))['relay-queue-full'], 2)
})

test('a stream of messages that leave as fast as they come is never stuck', async () => {
  const { opened, core, drained, engine, clock } = await staged()
  const socket = await opened()
  const datagram = new Uint8Array(1000).fill(4)
  // One message always waits: the one before it has left.
  socket.queuedBytes = 1000
  for (let sent = 0; sent < 20; sent++) {
    core.record(20, RELAY, (w) => w.bytes(datagram))
    await drained()
    await clock.advance(1000)
  }
  assert.equal(socket.sent.length, 20)
  assert.equal((await drops(engine))['relay-queue-full'], undefined)
})

test('nothing is drained for a full WebSocket until there is room again', async () => {
  const { opened, core, drained, calls, clock } = await staged()
  const socket = await opened()
  socket.queuedBytes = 2 * 1024 * 1024
  core.wake = 0
  await drained()
  assert.equal(calls('drain').at(-1)?.[2], 0)
  core.wake = Number.POSITIVE_INFINITY
  socket.queuedBytes = 0
  await clock.advance(10)
  assert.ok(Number(calls('drain').at(-1)?.[2]) > 0)
})

test('a WebSocket that ends is told once, and a late event of one that was replaced is not taken for its successor', async () => {
  const { opened, calls, sockets } = await staged()
  const first = await opened()
  const second = await opened()
  assert.equal(first.closed, true)
  first.events.closed('late')
  first.events.opened(1)
  assert.equal(calls('relay_closed').length, 0)
  assert.equal(calls('relay_opened').length, 0)
  second.events.closed('the relay went away')
  assert.equal(calls('relay_closed').length, 1)
  assert.equal(sockets.length, 2)
})

test('a message that no relay may send ends the WebSocket', async () => {
  const { opened, calls } = await staged()
  const socket = await opened()
  socket.events.message(new Uint8Array(65_537))
  assert.equal(socket.closed, true)
  assert.equal(calls('relay_closed').length, 1)
})

test('what the core says of relays, paths over them and lost ways becomes events', async () => {
  const { core, drained, events, engine } = await staged()
  assert.deepEqual(await engine.relays(), [{ url: URL_TEXT, state: 'waiting', home: false, cause: 'none' }])
  core.record(22, RELAY, (w) => w.u8(3).u8(1).u8(1).f64(12.5).f64(Number.NaN).text16(URL_TEXT, '').text16('', ''))
  core.record(12, 5, (w) => w.u32(0).u8(0).u32(RELAY).bytes(new Uint8Array(24)).f64(20))
  core.record(23, 5)
  core.record(14, 8, (w) => w.bytes(new Uint8Array(24)).u8(0).u32(RELAY))
  await drained()
  const relay = { url: URL_TEXT, state: 'connected', home: true, cause: 'opened', latencyMs: 12.5 }
  const place = { host: 'relay.example', port: 3340, relay: URL_TEXT }
  assert.deepEqual(events, [
    { type: 'relay', relay },
    { type: 'path', connectionId: 5, change: 'established', path: { pathId: 0, kind: 'relay', ...place, rttMs: 20 } },
    { type: 'discover', connectionId: 5 },
    { type: 'incoming', incomingId: 8, ...place, validated: false },
  ])
  assert.deepEqual(await engine.relays(), [relay])
})

test('a machine that slept is told to the core, by a late timer and by clocks that parted', async () => {
  const { clock, core, calls, drained } = await staged()
  core.wake = 1000
  await drained()
  core.wake = Number.POSITIVE_INFINITY
  const now = clock.now.bind(clock)
  clock.now = () => now() + 60_000
  await clock.advance(1000)
  assert.equal(calls('resumed').length, 1)
  clock.now = now
  await drained()
  const epochMs = clock.epochMs.bind(clock)
  const before = calls('resumed').length
  clock.epochMs = () => epochMs() + 3_600_000
  await drained()
  assert.equal(calls('resumed').length, before + 1)
})

test('closing the engine closes the WebSockets', async () => {
  const { opened, engine, clock } = await staged()
  const socket = await opened()
  await clock.until(engine.close(0, '', 10))
  assert.equal(socket.closed, true)
})

async function drops(engine: Engine): Promise<Readonly<Record<string, number>>> {
  return (await engine.peerStats()).transportDrops
}
