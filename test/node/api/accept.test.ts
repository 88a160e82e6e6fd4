import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AcceptingEngine } from '../../../src/api/engine/accepting.js'
import type { AcceptHooks, IncomingPeer } from '../../../src/api/index.js'
import { ClosedByPeerError } from '../../../src/errors/index.js'
import type { Logger } from '../../../src/observe/index.js'
import { ALICE, ALPN, BOB, TestPeer } from './environments.js'
import { FakeEngine } from './fake-engine.js'
import { bytes, first, readAll } from './reading.js'

function pairWith(hooks: AcceptHooks, logger?: Logger) {
  const network = new Map<string, FakeEngine>()
  const alice = TestPeer.over(new FakeEngine(network, [], ALICE))
  const bobEngine = new FakeEngine(network, [ALPN], BOB)
  const bob = TestPeer.over(new AcceptingEngine(bobEngine, hooks, logger))
  return {
    alice,
    bob,
    bobEngine,
    dial: () => alice.connect({ id: BOB, addresses: [{ host: '192.0.2.1', port: 1 }] }, { alpn: ALPN }),
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('the address hook', () => {
  test('answers each handshake, and refuses when it throws', async () => {
    const logged: string[] = []
    const logger = loggerOf((message) => logged.push(message))
    const asked: unknown[] = []
    const { bobEngine } = pairWith(
      {
        address: (address) => {
          asked.push(address)
          if (address.host === 'bad') throw new Error('broken hook')
          return address.validated ? 'accept' : Promise.resolve('retry' as const)
        },
      },
      logger,
    )
    bobEngine.emit({ type: 'incoming', incomingId: 1, host: '192.0.2.9', port: 5, validated: false })
    bobEngine.emit({ type: 'incoming', incomingId: 2, host: '192.0.2.9', port: 5, validated: true })
    bobEngine.emit({ type: 'incoming', incomingId: 3, host: 'bad', port: 5, validated: true })
    await turn()
    await turn()
    assert.deepEqual(new Set(bobEngine.calls), new Set(['admit(1, retry)', 'admit(2, accept)', 'admit(3, refuse)']))
    assert.deepEqual(asked[0], { host: '192.0.2.9', port: 5, validated: false })
    assert.equal(logged.length, 1)
  })
})

describe('the connection hook', () => {
  test('sees the id, protocol and address, and what happens meanwhile is not lost', async () => {
    const asked: IncomingPeer[] = []
    let decide!: (wanted: boolean) => void
    const { bob, dial } = pairWith({
      connection: (peer) => {
        asked.push(peer)
        return new Promise((resolve) => {
          decide = resolve
        })
      },
    })
    const near = await dial()
    const writer = (await near.createUnidirectionalStream()).getWriter()
    await writer.write(bytes(20))
    void writer.close()
    await turn()
    decide(true)
    const far = await first(bob.incoming)
    assert.deepEqual(await readAll(await first(far.incomingUnidirectionalStreams)), bytes(20))
    assert.deepEqual(asked, [{ remoteId: ALICE, alpn: ALPN, address: { host: 'fake', port: 1 } }])
  })

  for (const [name, connection] of [
    ['that says no', () => false],
    ['that throws', () => Promise.reject(new Error('broken hook'))],
  ] as const) {
    test(`${name} closes the connection, and the application never sees it`, async () => {
      const { bob, dial } = pairWith({ connection })
      const near = await dial()
      assert.deepEqual(await near.closed, { closeCode: 0, reason: 'refused' })
      await assert.rejects(near.createBidirectionalStream(), ClosedByPeerError)
      const seen: unknown[] = []
      bob.on('connection', (connected) => seen.push(connected))
      await turn()
      await bob.close()
      for await (const connected of bob.incoming) seen.push(connected)
      assert.deepEqual(seen, [])
    })
  }
})

test('connections that nobody takes are closed beyond the backlog, and the application is told', async () => {
  const warnings: string[] = []
  const network = new Map<string, FakeEngine>()
  const alice = TestPeer.over(new FakeEngine(network, [], ALICE))
  TestPeer.over(
    new FakeEngine(network, [ALPN], BOB),
    loggerOf((message) => warnings.push(message)),
    2,
  )
  const dial = () => alice.connect({ id: BOB, addresses: [{ host: '192.0.2.1', port: 1 }] }, { alpn: ALPN })
  const connections = [await dial(), await dial(), await dial()]
  assert.equal((await connections[2]?.closed)?.reason, 'too many connections wait')
  assert.equal(warnings.length, 1)
  // One that is over makes room.
  connections[0]?.close()
  await turn()
  const fourth = await dial()
  await turn()
  assert.equal(fourth.state, 'direct')
  await alice.close()
})

function loggerOf(log: (message: string) => void): Logger {
  return { debug: () => {}, info: () => {}, warn: log, error: log }
}
