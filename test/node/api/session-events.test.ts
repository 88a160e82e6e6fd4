import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EngineEvent } from '../../../src/driver/engine.js'
import { type LogFields, Peer, type StateEvent } from '../../../src/entry/node.js'
import { ALICE, ALPN, BOB, fakePair } from './environments.js'

const chain = (events: readonly StateEvent[]): string[] =>
  events.map(({ from, to, cause }) => `${from} > ${to} (${cause})`)

/** Alice's session with Bob after she dialled him, and what her engine can be made to tell of it. */
async function dialled() {
  const warned: LogFields[] = []
  const logger = { debug() {}, info() {}, error() {}, warn: (_: string, fields: LogFields = {}) => warned.push(fields) }
  const { alice, aliceEngine } = await fakePair('in process', logger)
  const session = alice.session(BOB)
  const events: StateEvent[] = []
  session.on('state', (event) => events.push(event))
  await alice.connect({ id: BOB, addresses: [{ host: '192.0.2.2', port: 1 }] }, { alpn: ALPN })
  const tell = async (...told: readonly EngineEvent[]) => {
    for (const event of told) aliceEngine.emit(event)
    await sleep(5)
  }
  await tell()
  assert.deepEqual(chain(events.splice(0)), ['idle > connecting (dial)', 'connecting > direct (handshake)'])
  return { alice, session, events, warned, tell }
}

const silence = (connectionId: number): EngineEvent => ({
  type: 'state',
  connectionId,
  from: 'direct',
  to: 'recovering',
  cause: 'silence',
  elapsedMs: 4500,
})

test('a session tells a change once, however many connections the core tells of it', async () => {
  const { session, events, warned, tell } = await dialled()
  await tell(silence(1), silence(1))
  assert.deepEqual(chain(events), ['direct > recovering (silence)'])
  assert.equal(events[0]?.elapsedMs, 4500)
  assert.equal(session.state, 'recovering')
  assert.deepEqual(warned, [])
})

test('what the core may not do changes nothing, is told to nobody but the logger, and harms nothing', async () => {
  const { session, events, warned, tell } = await dialled()
  await tell({ ...silence(1), from: 'relayed', to: 'traversing' } as EngineEvent)
  assert.equal(session.state, 'direct')
  assert.deepEqual(events, [])
  assert.deepEqual(warned, [{ state: 'direct', from: 'relayed', to: 'traversing', cause: 'silence' }])
  await tell(silence(1))
  assert.equal(session.state, 'recovering')
})

test('the end of a core that tells no more is a failure, and an event', async () => {
  const { session, events, tell } = await dialled()
  await tell({ type: 'failed', code: 1, message: 'poisoned' })
  assert.deepEqual(chain(events), ['direct > failed (error)'])
  assert.equal(session.state, 'failed')
})

test('a session that is asked for late begins where its connections are', async () => {
  const { alice, bob } = await fakePair('in process')
  await alice.connect({ id: BOB, addresses: [{ host: '192.0.2.2', port: 1 }] }, { alpn: ALPN })
  await sleep(5)
  const session = bob.session(ALICE)
  assert.equal(session.state, 'direct')
  const events: StateEvent[] = []
  session.on('state', (event) => events.push(event))
  await alice.close()
  await sleep(5)
  assert.deepEqual(chain(events), ['direct > closed (close)'])
})

test('who is dialled hears of it from the beginning', async (context) => {
  const acceptor = await Peer.create({ udp: { host: '127.0.0.1' }, alpns: [ALPN] })
  const dialler = await Peer.create({ udp: { host: '127.0.0.1' } })
  context.after(() => Promise.all([acceptor.close(), dialler.close()]))
  const events: StateEvent[] = []
  acceptor.session(dialler.id).on('state', (event) => events.push(event))
  await dialler.connect(await acceptor.ticket(), { alpn: ALPN })
  await acceptor.incoming[Symbol.asyncIterator]().next()
  for (let waits = 0; events.length < 2 && waits < 1000; waits++) await sleep(5)
  assert.deepEqual(chain(events), ['idle > connecting (accepted)', 'connecting > direct (handshake)'])
})
