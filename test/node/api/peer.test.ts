import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { AddressingEngine } from '../../../src/api/engine/addressing.js'
import { type Discovery, staticDiscovery, type TicketAddress } from '../../../src/discovery/index.js'
import {
  EarlyDataRejectedError,
  InternalError,
  InvalidArgumentError,
  InvalidKeyError,
  NoAddressError,
  NoRelayConfiguredError,
  UnreachableError,
} from '../../../src/errors/index.js'
import { ALICE, ALPN, BOB, fakePair, TestPeer } from './environments.js'
import { FakeEngine } from './fake-engine.js'
import { first } from './reading.js'

const ADDRESS = { host: '192.0.2.1', port: 1 }
const turn = () => new Promise((resolve) => setTimeout(resolve, 2))

// A peer's timers keep no process alive: its sockets do, and there are none here.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

describe('a dial', () => {
  test('of an id asks every discovery, and one that fails or hangs is no harm', async () => {
    const network = new Map<string, FakeEngine>()
    const aliceEngine = new FakeEngine(network, [], ALICE)
    new FakeEngine(network, [ALPN], BOB)
    const discovery: Discovery[] = [
      { name: 'failing', lookup: () => Promise.reject(new Error('no network')) },
      { name: 'hanging', lookup: () => new Promise(() => {}) },
      staticDiscovery({ [BOB.toUpperCase()]: [{ kind: 'ip', host: '192.0.2.7', port: 7 }] }),
    ]
    const alice = TestPeer.over(new AddressingEngine(aliceEngine, discovery, 50, undefined))
    const connection = await alice.connect(BOB.toUpperCase(), { alpn: ALPN })
    assert.equal(connection.remoteId, BOB)
    assert.deepEqual(aliceEngine.calls, ['connect(0:192.0.2.7:7)'])
  })

  test('of a remote at WebTransport addresses alone asks discovery only where no session can be opened', async () => {
    const target = { id: BOB, webTransport: [Uint8Array.of(0)] }
    for (const [opensSessions, called] of [
      [false, 'connect(0:192.0.2.7:7)'],
      [true, 'connect()'],
    ] as const) {
      const network = new Map<string, FakeEngine>()
      const aliceEngine = new FakeEngine(network, [], ALICE)
      new FakeEngine(network, [ALPN], BOB)
      const discovery = [staticDiscovery({ [BOB]: [{ kind: 'ip', host: '192.0.2.7', port: 7 }] })]
      const addressing = new AddressingEngine(aliceEngine, discovery, 50, undefined, undefined, opensSessions)
      await TestPeer.over(addressing).connect(target, { alpn: ALPN })
      assert.deepEqual(aliceEngine.calls, [called])
    }
  })

  test('of an id begins with what is found first, and what comes later is tried as well', async () => {
    const network = new Map<string, FakeEngine>()
    const aliceEngine = new FakeEngine(network, [], ALICE)
    new FakeEngine(network, [ALPN], BOB)
    let answer: (addresses: readonly TicketAddress[]) => void = () => {}
    const discovery: Discovery[] = [
      { name: 'slow', lookup: () => new Promise((resolve) => (answer = resolve)) },
      { name: 'soon', lookup: () => turn().then(() => [{ kind: 'ip', host: '192.0.2.8', port: 8 }]) },
      staticDiscovery({ [BOB]: [{ kind: 'ip', host: '192.0.2.7', port: 7 }] }),
    ]
    const alice = TestPeer.over(new AddressingEngine(aliceEngine, discovery, 60_000, undefined))
    await alice.connect(BOB, { alpn: ALPN })
    // Whoever answers at about the same time is not left for later.
    assert.deepEqual(aliceEngine.calls, ['connect(0:192.0.2.7:7,0:192.0.2.8:8)'])
    answer([{ kind: 'ip', host: '192.0.2.9', port: 9 }])
    await turn()
    const connectionId = [...aliceEngine.links.keys()][0]
    assert.deepEqual(aliceEngine.calls.slice(1), [`addAddresses(${connectionId}, 192.0.2.9)`])
  })

  test('of an id is told more until it is connected, and what it has asked does not go on after that', async () => {
    const network = new Map<string, FakeEngine>()
    const aliceEngine = new FakeEngine(network, [], ALICE)
    new FakeEngine(network, [ALPN], BOB)
    const signals: AbortSignal[] = []
    const open: Discovery = {
      name: 'open',
      lookup: async (_, { signal, more }) => {
        signals.push(signal)
        more?.([{ kind: 'ip', host: '192.0.2.9', port: 9 }])
        return [{ kind: 'ip', host: '192.0.2.8', port: 8 }]
      },
    }
    const hanging: Discovery = {
      name: 'hanging',
      lookup: (_, { signal }) => {
        signals.push(signal)
        return new Promise(() => {})
      },
    }
    const alice = TestPeer.over(new AddressingEngine(aliceEngine, [open, hanging], 60_000, undefined))
    await alice.connect(BOB, { alpn: ALPN })
    await turn()
    const connectionId = [...aliceEngine.links.keys()][0]
    assert.deepEqual(aliceEngine.calls, ['connect(0:192.0.2.8:8)', `addAddresses(${connectionId}, 192.0.2.9)`])
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, false],
    )
    await alice.close()
    assert.equal(signals[1]?.aborted, true)
  })

  test('with nowhere to go says whether a relay would help', async () => {
    const aliceEngine = new FakeEngine(new Map(), [], ALICE)
    const alice = TestPeer.over(new AddressingEngine(aliceEngine, [], 50, undefined))
    await assert.rejects(alice.connect(BOB, { alpn: ALPN }), NoAddressError)
    await assert.rejects(
      alice.connect({ id: BOB, addresses: [{ ...ADDRESS, transport: 'memory' }] }, { alpn: ALPN }),
      NoAddressError,
    )
    await assert.rejects(
      alice.connect(`fake:${BOB}:relay=https://relay.example`, { alpn: ALPN }),
      NoRelayConfiguredError,
    )
    aliceEngine.localAddresses = () => Promise.resolve([])
    await assert.rejects(alice.connect(`fake:${BOB}:192.0.2.7|7`, { alpn: ALPN }), NoRelayConfiguredError)
    await assert.rejects(alice.connect('abc', { alpn: ALPN }), { code: 'InvalidTicket' })
    await assert.rejects(alice.connect({ id: 'abc' }, { alpn: ALPN }), InvalidKeyError)
  })

  test('takes the addresses of a ticket, those of unknown kinds aside, and keeps those in the ticket', async () => {
    const { alice, bob, aliceEngine } = await fakePair('in process')
    const ticket = await bob.ticket()
    assert.equal(ticket.toString(), `fake:${BOB}:192.0.2.1|4433`)
    assert.equal(JSON.stringify({ ticket }), JSON.stringify({ ticket: ticket.toString() }))
    assert.deepEqual([ticket.id, ticket.anypath], [BOB, true])
    await alice.connect(ticket, { alpn: ALPN })
    const parsed = await alice.parseTicket(`fake:${BOB}:192.0.2.1|4433,unknown=xyz`)
    assert.deepEqual(parsed.addresses[1], { kind: 'unknown', data: new TextEncoder().encode('xyz') })
    await alice.connect(parsed, { alpn: ALPN })
    assert.deepEqual(aliceEngine.calls, ['connect(0:192.0.2.1:4433)', 'connect(0:192.0.2.1:4433)'])
  })

  test('that nobody answers rejects with the error and leaves nothing', async () => {
    const { alice } = await fakePair('in process')
    await assert.rejects(alice.connect({ id: 'cc'.repeat(32), addresses: [ADDRESS] }, { alpn: ALPN }), UnreachableError)
    await turn()
    // Only a peer without connections can be given away.
    const { port1 } = new MessageChannel()
    alice.serve(port1)
    port1.close()
  })

  test('gives up after its own time limit and closes what it began', async () => {
    const { alice, aliceEngine, bob } = await fakePair('in process')
    aliceEngine.running = false
    const dialling = alice.connect({ id: bob.id, addresses: [ADDRESS] }, { alpn: ALPN, timeoutMs: 20 })
    await assert.rejects(dialling, UnreachableError)
    assert.equal(aliceEngine.links.size, 0)
  })

  test('with early data resolves before the remote is authenticated', async () => {
    const { alice, aliceEngine, bob } = await fakePair('in process')
    const emitted: string[] = []
    const emit = aliceEngine.emit.bind(aliceEngine)
    // Only the first `connected` comes now; the rest is held back.
    const held: Parameters<typeof emit>[0][] = []
    aliceEngine.emit = (event) => {
      emitted.push(event.type)
      if (emitted.filter((type) => type === 'connected').length > 1 || event.type === 'early-data') held.push(event)
      else emit(event)
    }
    const connection = await alice.connect({ id: bob.id, addresses: [ADDRESS] }, { alpn: ALPN, earlyData: true })
    let ready = false
    void connection.ready.then(() => {
      ready = true
    })
    await connection.createBidirectionalStream()
    await turn()
    assert.deepEqual([ready, connection.earlyDataAccepted, connection.tls.group], [false, undefined, ''])
    for (const event of held) emit(event)
    await connection.ready
    assert.deepEqual(
      [connection.earlyDataAccepted, connection.tls.group, connection.tls.resumed],
      [true, 'X25519MLKEM768', true],
    )
    assert.equal(new EarlyDataRejectedError('x').source, 'stream')
  })
})

describe('a peer', () => {
  test('tells every connection and state change by events', async () => {
    const { alice, bob } = await fakePair('in process')
    const events: string[] = []
    bob.on('connection', ({ remoteId, incoming }) => events.push(`connection ${remoteId === alice.id} ${incoming}`))
    bob.on('state', ({ to, cause }) => events.push(`${to} by ${cause}`))
    await alice.connect({ id: bob.id, addresses: [ADDRESS] }, { alpn: ALPN })
    await first(bob.incoming)
    await turn()
    assert.deepEqual(events, ['connection true true', 'direct by handshake'])
  })

  test('passes on what concerns its engine alone', async () => {
    const { alice, bob, aliceEngine } = await fakePair('in process')
    const connection = await alice.connect({ id: bob.id, addresses: [ADDRESS] }, { alpn: ALPN })
    aliceEngine.calls.length = 0
    alice.networkChanged()
    connection.ping()
    connection.updateKeys()
    const stream = await connection.createUnidirectionalStream({ sendOrder: 5 })
    stream.sendOrder = 2 ** 40
    assert.throws(() => {
      stream.sendOrder = Number.NaN
    }, InvalidArgumentError)
    assert.deepEqual(aliceEngine.calls, [
      'networkChanged()',
      'ping()',
      'keyUpdate()',
      `setPriority(${stream.id}, 5)`,
      `setPriority(${stream.id}, ${2 ** 31 - 1})`,
    ])
  })

  test('whose core fails ends every connection with its error, and refuses calls with it', async () => {
    const { alice, bob, aliceEngine } = await fakePair('in process')
    const connection = await alice.connect({ id: bob.id, addresses: [ADDRESS] }, { alpn: ALPN })
    const closed = new Promise<{ error?: Error }>((resolve) => alice.on('close', resolve))
    aliceEngine.emit({ type: 'failed', message: 'index out of bounds' })
    await assert.rejects(
      connection.closed,
      (error) => error instanceof InternalError && error.message === 'index out of bounds',
    )
    await assert.rejects(connection.createBidirectionalStream(), InternalError)
    assert.ok((await closed).error instanceof InternalError)
    await assert.rejects(alice.connect(bob.id, { alpn: ALPN }), InternalError)
  })

  test('has one consumer of incoming connections at a time', async () => {
    const { bob } = await fakePair('in process')
    const one = bob.incoming[Symbol.asyncIterator]()
    assert.throws(() => bob.incoming[Symbol.asyncIterator](), InvalidArgumentError)
    await one.return?.()
    assert.equal((await one.next()).done, true)
    const next = bob.incoming[Symbol.asyncIterator]()
    const waiting = next.next()
    await assert.rejects(next.next(), InvalidArgumentError)
    await bob[Symbol.asyncDispose]()
    assert.equal((await waiting).done, true)
  })

  test('refuses a session with what is no id', async () => {
    const { alice } = await fakePair('in process')
    assert.throws(() => alice.session('nobody'), InvalidKeyError)
    const session = alice.session(BOB.toUpperCase())
    assert.deepEqual([session.remoteId, session.state, session.connections.length], [BOB, 'idle', 0])
    await assert.rejects(session.connect(), InvalidArgumentError)
  })

  test('forgets the sessions that nobody holds', async () => {
    const { alice, bob } = await fakePair('in process')
    const listening = new WeakRef(alice.session('11'.repeat(32)))
    listening.deref()?.on('state', () => {})
    const forgotten = new WeakRef(alice.session('22'.repeat(32)))
    const connected = new WeakRef(alice.session(bob.id))
    const connection = await alice.connect({ id: bob.id, addresses: [ADDRESS] }, { alpn: ALPN })
    await collectGarbage()
    assert.notEqual(listening.deref(), undefined)
    assert.notEqual(connected.deref(), undefined)
    assert.equal(forgotten.deref(), undefined)
    connection.close()
    await connection.closed
    await collectGarbage()
    assert.equal(connected.deref(), undefined)
  })
})

async function collectGarbage(): Promise<void> {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let i = 0; i < 3; i++) {
    await turn()
    gc()
  }
}
