import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_LIMITS } from '../../../src/config/index.js'
import { createEngine, type EngineOptions } from '../../../src/driver/create.js'
import type { Engine, EngineEvent } from '../../../src/driver/engine.js'
import { MemoryHub } from '../../../src/transport/memory.js'
import type { Transport, TransportEvents } from '../../../src/transport/transport.js'
import { FakeClock } from './fake-clock.js'
import { FakeCore } from './fake-core.js'

interface Stage {
  readonly clock: FakeClock
  readonly core: FakeCore
  readonly engine: Engine
  readonly events: EngineEvent[]
}

async function staged(options: Partial<EngineOptions> = {}): Promise<Stage> {
  const clock = new FakeClock()
  const core = new FakeCore()
  const hub = new MemoryHub({ clock })
  const engine = await createEngine({
    secretKey: new Uint8Array(32),
    alpns: [],
    transports: [hub.port('10.0.0.1', 1)],
    core: core.program(),
    limits: DEFAULT_LIMITS,
    clock,
    ...options,
  })
  const events: EngineEvent[] = []
  engine.onEvent((event) => events.push(event))
  return { clock, core, engine, events }
}

const target = {
  remoteId: new Uint8Array(32),
  alpn: new Uint8Array([1]),
  addresses: [{ carrier: 1, host: '10.0.0.2', port: 2 }],
  relays: [],
  earlyData: false,
}

/** A promise's end as text, without leaving a rejection unhandled. */
function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    (value) => `resolved ${String(value)}`,
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  )
}

test('a panic fails everything that waits with one InternalError, refuses further calls, and close still works', async () => {
  const { clock, core, engine, events } = await staged()
  core.results.connect = 7
  const connection = await engine.connect(target)
  core.connected(connection)
  await clock.advance(1)
  const waiting = [outcome(engine.read(connection, 0, 100)), outcome(engine.write(connection, 0, new Uint8Array(5)))]
  core.results.open_stream = -1
  waiting.push(outcome(engine.openStream(connection, true)))
  core.panicIn('drain')
  engine.ping(connection)
  await clock.advance(1)
  const message = 'InternalError: the core panicked: index out of bounds'
  assert.deepEqual(await Promise.all(waiting), [message, message, message])
  assert.deepEqual(
    events.map(({ type }) => type),
    ['connected', 'failed'],
  )
  const drains = core.calls.filter(([method]) => method === 'drain').length
  assert.equal(await outcome(engine.connect(target)), message)
  assert.match(await outcome(engine.peerStats()), /^InternalError/)
  engine.ping(connection)
  engine.networkChanged()
  await clock.advance(1000)
  assert.equal(core.calls.filter(([method]) => method === 'drain').length, drains)
  await engine.close(0, '', 1000)
  await engine.close(0, '', 1000)
  assert.equal(core.freed, 0, 'a poisoned core is not called again')
})

test('a panic in any call is reported once as an event, and the call itself rejects', async () => {
  for (const [method, call] of Object.entries<(engine: Engine) => unknown>({
    connect: (engine) => engine.connect(target),
    read: (engine) => engine.read(7, 0, 10),
    write: (engine) => engine.write(7, 0, new Uint8Array(1)),
    finish: (engine) => engine.finish(7, 0),
    reset: (engine) => engine.reset(7, 0, 1),
    send_datagram: (engine) => engine.sendDatagram(7, new Uint8Array(1)),
    peer_stats: (engine) => engine.peerStats(),
    parse_ticket: (engine) => engine.parseTicket('x'),
    key_update: (engine) => engine.keyUpdate(7),
    next_wake: (engine) => engine.ping(7),
  })) {
    const { clock, core, engine, events } = await staged()
    core.connected(7)
    engine.ping(7)
    await clock.advance(1)
    core.panicIn(method)
    const result = call(engine)
    if (result instanceof Promise) assert.match(await outcome(result), /^InternalError: the core panicked/, method)
    await clock.advance(1)
    assert.equal(events.filter(({ type }) => type === 'failed').length, 1, method)
    await engine.close(0, '', 10)
  }
})

test('output that is malformed fails the engine instead of being guessed at', async () => {
  const { clock, core, engine, events } = await staged()
  core.output.push(new Uint8Array([5, 1, 0, 0, 0, 200, 0, 0, 0]))
  engine.ping(1)
  await clock.advance(1)
  assert.match((events[0] as { message: string }).message, /ends within a record/)
  await engine.close(0, '', 10)
})

test('a config that the core refuses rejects with its code, and a start that fails leaves nothing open', async () => {
  const core = new FakeCore()
  core.results.new = () => {
    throw new Error('3: alpns: h3 is reserved')
  }
  await assert.rejects(staged({ core: core.program() }), { code: 'InvalidConfig', message: 'alpns: h3 is reserved' })
  const clock = new FakeClock()
  const hub = new MemoryHub({ clock })
  const [first, second] = [hub.port('10.0.0.1', 1), hub.port('10.0.0.1', 1)]
  const whole = new FakeCore()
  await assert.rejects(staged({ core: whole.program(), clock, transports: [first, second] }), { code: 'AddressInUse' })
  assert.equal(whole.freed, 1)
  assert.deepEqual(first.localAddresses(), [])
})

test('a listener that throws is logged, and the events after it arrive', async () => {
  const logged: string[] = []
  const { clock, core, engine } = await staged({
    log: (level, _target, message) => logged.push(`${level} ${message.split('\n')[0]}`),
  })
  const seen: string[] = []
  engine.onEvent(({ type }) => {
    seen.push(type)
    throw new Error('of the application')
  })
  core.connected(7)
  core.closed(7, 20, 'bye')
  engine.ping(7)
  await clock.advance(1)
  assert.deepEqual(seen, ['connected', 'closed'])
  assert.deepEqual(logged, [
    "error a listener of 'connected' threw: Error: of the application",
    "error a listener of 'closed' threw: Error: of the application",
  ])
})

test('a listener may call anything: the core is never entered twice', async () => {
  const { clock, core, engine } = await staged()
  let depth = 0
  for (const method of ['drain', 'ingest', 'connect', 'read', 'write', 'ping']) {
    core.results[method] = () => {
      assert.equal(depth, 0, method)
      depth += 1
      const result = method === 'drain' ? drained() : method === 'connect' ? 8 : 0
      depth -= 1
      return result
    }
  }
  let first = true
  const drained = (): number => {
    if (!first) return 0
    first = false
    const bytes = new Uint8Array([5, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 18, 7, 0, 0, 0, 0, 0, 0, 0])
    new Uint8Array(core.memory.buffer).set(bytes, 512 * 1024)
    return bytes.length
  }
  const calls: unknown[] = []
  engine.onEvent(() => {
    calls.push(engine.connect(target), engine.ping(7), outcome(engine.read(7, 0, 5)))
  })
  engine.ping(7)
  await clock.advance(1)
  assert.equal(await calls[0], 8)
  assert.match(String(await calls[2]), /^ClosedLocally/)
})

test('everything that waits for a connection rejects once with its error when it closes, and is forgotten when it is drained', async () => {
  const { clock, core, engine, events } = await staged()
  core.connected(7)
  engine.ping(7)
  await clock.advance(1)
  core.results.open_stream = -1
  const waiting = [
    engine.read(7, 0, 100),
    engine.write(7, 0, new Uint8Array(5)),
    engine.write(7, 0, new Uint8Array(5)),
    engine.finish(7, 0),
    engine.openStream(7, true),
    engine.openStream(7, false),
    engine.finish(7, 4),
  ].map(outcome)
  core.closed(7, 20, 'bye')
  engine.ping(7)
  await clock.advance(1)
  const text = 'ClosedByPeer: the remote closed the connection: bye'
  assert.deepEqual(await Promise.all(waiting), new Array(7).fill(text))
  assert.equal(await outcome(engine.write(7, 0, new Uint8Array(1))), text)
  assert.equal(await outcome(engine.openStream(7, true)), text)
  core.record(18, 7)
  engine.ping(7)
  await clock.advance(1)
  assert.equal(await outcome(engine.write(7, 0, new Uint8Array(1))), 'ClosedLocally: the connection is closed')
  assert.deepEqual(
    events.map(({ type }) => type),
    ['connected', 'closed', 'drained'],
  )
})

test('a carrier that fails takes the engine with it only when it is the last one', async () => {
  const failures: TransportEvents[] = []
  const failing = (): Transport => ({
    kind: 'memory',
    maxPacketBytes: 1452,
    discoversMtu: true,
    writableBytes: 1000,
    queuedBytes: 0,
    drops: {},
    start: async (events) => void failures.push(events),
    localAddresses: () => [],
    send: () => {},
    close: async () => {},
  })
  const { clock, events } = await staged({ transports: [failing(), failing()] })
  failures[0]?.failed(new Error('unplugged'))
  await clock.advance(1)
  assert.deepEqual(events, [])
  failures[1]?.failed(new Error('unplugged'))
  await clock.advance(1)
  assert.deepEqual(events, [{ type: 'failed', message: 'unplugged' }])
})

test('the core is drained only for as many bytes as a carrier takes, and again when it takes more', async () => {
  let writable = 5000
  let events: TransportEvents | undefined
  const slow: Transport = {
    kind: 'memory',
    maxPacketBytes: 1452,
    discoversMtu: true,
    get writableBytes() {
      return writable
    },
    queuedBytes: 0,
    drops: {},
    start: async (given) => {
      events = given
    },
    localAddresses: () => [],
    send: () => {},
    close: async () => {},
  }
  const { clock, core, engine } = await staged({ transports: [slow] })
  core.wake = 0
  writable = 0
  engine.ping(1)
  await clock.advance(5)
  const drains = (): unknown[] => core.calls.filter(([method]) => method === 'drain').map(([, , bytes]) => bytes)
  assert.deepEqual(drains(), [0], 'it does not spin while nothing can be sent')
  core.wake = Number.POSITIVE_INFINITY
  writable = 3000
  events?.writable()
  await clock.advance(1)
  assert.deepEqual(drains(), [0, 3000])
})
