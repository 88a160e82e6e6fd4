import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Connection,
  type Discovery,
  InvalidArgumentError,
  NoAddressError,
  Peer,
  type PeerOptions,
  type StateEvent,
  type Ticket,
  UnreachableError,
} from '../../../src/entry/node.js'
import { ALPN } from './environments.js'

const PAUSE_MS = { first: 20, most: 40 }

async function peerOf(context: TestContext, options: PeerOptions = {}): Promise<Peer> {
  const peer = await Peer.create({ udp: { host: '127.0.0.1' }, limits: { handshakeTimeoutMs: 2000 }, ...options })
  context.after(() => peer.close())
  return peer
}

/** A discovery that knows what a test tells it, and takes its time to say so. */
function whatIsTold(delayMs = 0) {
  const known: { ticket?: Ticket; asked: number } = { asked: 0 }
  const discovery: Discovery = {
    name: 'told',
    async lookup() {
      known.asked += 1
      if (delayMs > 0) await sleep(delayMs)
      return known.ticket?.addresses ?? []
    },
  }
  return { known, discovery }
}

const chain = (events: readonly StateEvent[]): string[] =>
  events.map(({ from, to, cause }) => `${from} > ${to} (${cause})`)

/** The next event of a session. */
const next = (session: ReturnType<Peer['session']>): Promise<Connection> =>
  new Promise((resolve) => {
    const heard = (connection: Connection): void => {
      session.off('connection', heard)
      resolve(connection)
    }
    session.on('connection', heard)
  })

test('a dial by id alone is discovering first, and fails from there where nothing is known', async (context) => {
  const { known, discovery } = whatIsTold()
  const acceptor = await peerOf(context, { alpns: [ALPN] })
  const dialler = await peerOf(context, { discovery: [discovery] })
  const ofSession: StateEvent[] = []
  const ofPeer: StateEvent[] = []
  dialler.session(acceptor.id).on('state', (event) => ofSession.push(event))
  dialler.on('state', ({ remoteId, ...event }) => {
    assert.equal(remoteId, acceptor.id)
    ofPeer.push(event)
  })
  await assert.rejects(dialler.connect(acceptor.id, { alpn: ALPN }), NoAddressError)
  known.ticket = await acceptor.ticket()
  await dialler.connect(acceptor.id, { alpn: ALPN })
  assert.deepEqual(chain(ofSession), [
    'idle > discovering (dial)',
    'discovering > failed (error)',
    'failed > discovering (dial)',
    'discovering > connecting (dial)',
    'connecting > direct (handshake)',
  ])
  assert.deepEqual(ofPeer, ofSession)
  assert.ok(ofSession.every(({ elapsedMs }) => elapsedMs >= 0))
})

test('a dial by id that follows at once on one that was given up is discovering, too', async (context) => {
  const { known, discovery } = whatIsTold(50)
  const acceptor = await peerOf(context, { alpns: [ALPN] })
  const dialler = await peerOf(context, { discovery: [discovery] })
  const events: StateEvent[] = []
  dialler.session(acceptor.id).on('state', (event) => events.push(event))
  known.ticket = await acceptor.ticket()
  const nowhere = { id: acceptor.id, addresses: [{ host: '127.0.0.1', port: 9 }] }
  const givenUp = dialler.connect(nowhere, { alpn: ALPN, timeoutMs: 100 })
  await assert.rejects(givenUp, UnreachableError)
  await dialler.connect(acceptor.id, { alpn: ALPN })
  assert.deepEqual(chain(events), [
    'idle > connecting (dial)',
    'connecting > closed (close)',
    'closed > discovering (dial)',
    'discovering > connecting (dial)',
    'connecting > direct (handshake)',
  ])
})

test('of a dial in vain the failure is remembered', async (context) => {
  const dialler = await peerOf(context, { limits: { handshakeTimeoutMs: 200 } })
  const id = '44'.repeat(32)
  const session = dialler.session(id)
  const events: StateEvent[] = []
  session.on('state', (event) => events.push(event))
  const target = { id, addresses: [{ host: '127.0.0.1', port: 9 }] }
  for (let dials = 0; dials < 2; dials++) await assert.rejects(dialler.connect(target, { alpn: ALPN }))
  assert.deepEqual(chain(events), [
    'idle > connecting (dial)',
    'connecting > failed (error)',
    'failed > connecting (dial)',
    'connecting > failed (error)',
  ])
  assert.equal(session.state, 'failed')
})

test('a maintained session dials again when its connection is closed, whoever closed it, and ends with its signal', async (context) => {
  const acceptor = await peerOf(context, { alpns: [ALPN] })
  const dialler = await peerOf(context)
  const session = dialler.session(acceptor.id)
  const events: StateEvent[] = []
  session.on('state', (event) => events.push(event))
  const first = next(session)
  await dialler.connect(await acceptor.ticket(), { alpn: ALPN })
  await first
  const end = new AbortController()
  const maintained = session.maintain({ signal: end.signal, pauseMs: PAUSE_MS })
  const second = next(session)
  const { value: incoming } = await acceptor.incoming[Symbol.asyncIterator]().next()
  incoming.close({ closeCode: 7, reason: 'enough' })
  const replaced = await second
  const third = next(session)
  replaced.close()
  const last = await third
  end.abort()
  await maintained
  assert.equal(session.connection, last)
  assert.deepEqual(chain(events), [
    'idle > connecting (dial)',
    ...Array(3)
      .fill('connecting > direct (handshake)')
      .flatMap((up, i) => [
        up,
        ...(i === 2
          ? []
          : ['direct > closed (close)', 'closed > reconnecting (close)', 'reconnecting > connecting (dial)']),
      ]),
  ])
})

test('it goes on while nobody is there, ever more rarely, until the remote is back', async (context) => {
  const { known, discovery } = whatIsTold()
  const dialler = await peerOf(context, { discovery: [discovery] })
  const secretKey = randomBytes(32)
  const acceptor = await peerOf(context, { alpns: [ALPN], secretKey })
  const session = dialler.session(acceptor.id)
  const maintained = session.maintain({ alpn: ALPN, pauseMs: { first: 1, most: 64 } })
  while (known.asked < 4) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok(['discovering', 'failed', 'reconnecting'].includes(session.state), session.state)
  known.ticket = await acceptor.ticket()
  await next(session)
  assert.equal(session.state, 'direct')
  await dialler.close()
  await maintained
})

test('the pauses double up to the longest, and each is cut by a half at most', async (context) => {
  const { discovery } = whatIsTold()
  const dialler = await peerOf(context, { discovery: [discovery] })
  const session = dialler.session('33'.repeat(32))
  const pauses: number[] = []
  session.on('state', ({ from, elapsedMs }) => {
    if (from === 'reconnecting') pauses.push(elapsedMs)
  })
  const end = new AbortController()
  const maintained = session.maintain({ alpn: ALPN, signal: end.signal, pauseMs: { first: 40, most: 160 } })
  while (pauses.length < 4) await new Promise((resolve) => setTimeout(resolve, 5))
  end.abort()
  await maintained
  for (const [i, atLeastMs] of [20, 40, 80, 80].entries()) assert.ok((pauses[i] ?? 0) >= atLeastMs - 1, String(pauses))
})

test('what no later dial mends ends it, and so does the end of the peer', async (context) => {
  const acceptor = await peerOf(context, { alpns: [ALPN] })
  const dialler = await peerOf(context)
  const session = dialler.session(acceptor.id)
  await dialler.connect(await acceptor.ticket(), { alpn: ALPN })
  await assert.rejects(session.maintain({ alpn: 'nothing/1' }), { code: 'AlpnNotServed' })
  await assert.rejects(session.maintain({ alpn: ALPN, pauseMs: { first: 0, most: 1 } }), InvalidArgumentError)
  const maintained = session.maintain({ alpn: ALPN })
  await dialler.close()
  await maintained
  await session.maintain({ alpn: ALPN })
})
