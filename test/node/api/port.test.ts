import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Connection, EnginePort } from '../../../src/api/index.js'
import { Peer } from '../../../src/entry/node.js'
import { InvalidArgumentError, PeerClosedError } from '../../../src/errors/index.js'
import { ALICE, ALPN, BOB, TestPeer } from './environments.js'
import { FakeEngine } from './fake-engine.js'
import { bytes, first, readAll, within } from './reading.js'
import { LIMITS } from './real-pair.js'

const ADDRESS = { host: '192.0.2.1', port: 1 }

async function served() {
  const network = new Map<string, FakeEngine>()
  const engine = new FakeEngine(network, [ALPN], ALICE)
  const bob = TestPeer.over(new FakeEngine(network, [ALPN], BOB))
  const beside = TestPeer.over(engine)
  const { port1, port2 } = new MessageChannel()
  beside.serve(port1)
  const alice = await TestPeer.attach(port2)
  const dial = () => alice.connect({ id: BOB, addresses: [ADDRESS] }, { alpn: ALPN })
  return {
    engine,
    beside,
    alice,
    bob,
    dial,
    port2,
    stop: () => Promise.all([alice.close(), beside.close(), bob.close()]),
  }
}

/** The same, served to a second port as well. */
async function shared() {
  const one = await served()
  const { port1, port2 } = new MessageChannel()
  one.beside.serve(port1)
  const arrivals = one.bob.incoming[Symbol.asyncIterator]()
  return {
    ...one,
    other: await TestPeer.attach(port2),
    toBob: async (): Promise<Connection> => (await arrivals.next()).value,
  }
}

describe('a peer behind a port', () => {
  test('closes with the peer beside the core, and everything that waits fails with PeerClosed', async () => {
    const { alice, beside, engine, dial, stop } = await served()
    const connection = await dial()
    engine.peerStats = () => new Promise(() => {})
    const waiting = alice.stats()
    const closed = new Promise<{ error?: Error }>((resolve) => alice.on('close', resolve))
    await beside.close()
    await assert.rejects(waiting, PeerClosedError)
    await connection.closed
    assert.ok((await closed).error instanceof PeerClosedError)
    await assert.rejects(dial(), PeerClosedError)
    await stop()
  })

  test('closes the peer beside the core', async () => {
    const { alice, beside, engine, stop } = await served()
    const closed = new Promise((resolve) => beside.on('close', resolve))
    await alice.close({ closeCode: 5, reason: 'over' })
    await within(1000, closed)
    assert.equal(engine.closed, true)
    await assert.rejects(beside.stats(), PeerClosedError)
    await stop()
  })

  test('that vanishes leaves no connection, and the peer can be given to another port', async () => {
    const { beside, engine, dial, port2, bob, stop } = await served()
    await dial()
    const far = await first(bob.incoming)
    port2.close()
    assert.equal((await within(1000, far.closed)).reason, 'the application went away')
    assert.equal(engine.links.size, 0)
    const { port1, port2: other } = new MessageChannel()
    beside.serve(port1)
    const again = await TestPeer.attach(other)
    assert.equal(again.id, ALICE)
    await again.connect({ id: BOB, addresses: [ADDRESS] }, { alpn: ALPN })
    await again.close()
    await stop()
  })

  test('can not be given to a port twice, or with connections of its own', async () => {
    const network = new Map<string, FakeEngine>()
    const alice = TestPeer.over(new FakeEngine(network, [], ALICE))
    new FakeEngine(network, [ALPN], BOB)
    await alice.connect({ id: BOB, addresses: [ADDRESS] }, { alpn: ALPN })
    assert.throws(() => alice.serve(deafPort()), InvalidArgumentError)
    const { beside, stop } = await served()
    const port = deafPort()
    beside.serve(port)
    assert.throws(() => beside.serve(port), InvalidArgumentError)
    assert.equal((await beside.stats()).connections, 0)
    await stop()
  })

  test('is shared by ports: each has what it dialled, and the first that is there has what comes in', async () => {
    const { engine, other, alice, bob, dial, port2, toBob, stop } = await shared()
    await dial()
    const ofAlice = await toBob()
    await other.connect({ id: BOB, addresses: [ADDRESS] }, { alpn: ALPN })
    const ofOther = await toBob()
    const dialAlice = () => bob.connect({ id: ALICE, addresses: [ADDRESS] }, { alpn: ALPN })
    await dialAlice()
    assert.equal((await within(1000, first(alice.incoming))).remoteId, BOB)
    port2.close()
    assert.equal((await within(1000, ofAlice.closed)).reason, 'the application went away')
    await dialAlice()
    assert.equal((await within(1000, first(other.incoming))).remoteId, BOB)
    assert.equal(engine.links.size, 2, 'what the other one has dialled, and what came in last')
    await other.close({ closeCode: 7, reason: 'left' })
    assert.deepEqual(await within(1000, ofOther.closed), { closeCode: 7, reason: 'left' })
    await stop()
  })

  test('that is shared is closed by the last side that closes it', async () => {
    const { engine, alice, beside, other, dial, toBob, stop } = await shared()
    await dial()
    const far = await toBob()
    await other.close()
    await assert.rejects(other.stats(), PeerClosedError)
    assert.equal((await beside.stats()).connections, 1)
    assert.equal(engine.closed, false)
    await alice.close({ closeCode: 8 })
    assert.equal((await within(1000, far.closed)).closeCode, 8)
    assert.equal(engine.closed, true)
    await stop()
  })

  test('answers nothing but the calls of an engine', async () => {
    const posted: unknown[] = []
    let receive: (event: { data: unknown }) => void = () => {}
    const port: EnginePort = {
      postMessage: (message) => posted.push(message),
      addEventListener: (type: string, listener: (event: { data: unknown }) => void) => {
        if (type === 'message') receive = listener
      },
    }
    const network = new Map<string, FakeEngine>()
    const engine = new FakeEngine(network, [], ALICE)
    TestPeer.over(engine).serve(port)
    receive({ data: 'other traffic' })
    receive({ data: { anypath: { type: 'attach' } } })
    receive({ data: { anypath: { type: 'call', call: 1, method: 'constructor', args: [] } } })
    receive({ data: { anypath: { type: 'cast', method: 'emit', args: [{ type: 'failed', message: 'x' }] } } })
    await new Promise((resolve) => setImmediate(resolve))
    const [attached, failure, ...more] = posted as { anypath: { type: string; error?: { message: string } } }[]
    assert.equal(attached?.anypath.type, 'attached')
    assert.equal(failure?.anypath.error?.message, 'an engine has no call constructor')
    assert.deepEqual(more, [])
  })

  test('is not there when the port is closed before it answers', async () => {
    const { port1, port2 } = new MessageChannel()
    const attaching = TestPeer.attach(port1)
    port2.close()
    await assert.rejects(attaching, PeerClosedError)
  })
})

test('a peer in a worker thread is used from here like any other', { timeout: 60_000 }, async () => {
  const { port1, port2 } = new MessageChannel()
  const worker = new Worker(new URL('./peer-worker.js', import.meta.url), {
    workerData: { port: port1, alpn: ALPN },
    transferList: [port1 as never],
  })
  try {
    const remote = await Peer.attach(port2)
    const local = await Peer.create({ udp: { host: '127.0.0.1' }, limits: LIMITS })
    const arriving = first(remote.incoming)
    const near = await local.connect(await remote.ticket().then(String), { alpn: ALPN })
    const far = await arriving
    const incoming = first(near.incomingUnidirectionalStreams)
    const writer = (await far.createUnidirectionalStream()).getWriter()
    const written = writer.write(bytes(300_000)).then(() => writer.close())
    assert.deepEqual(await readAll(await incoming), bytes(300_000))
    await written
    assert.equal((await far.getStats()).tls.group, 'X25519MLKEM768')
    await local.close()
    await remote.close()
  } finally {
    await worker.terminate()
  }
})

function deafPort(): EnginePort {
  return { postMessage: () => {}, addEventListener: () => {} }
}
