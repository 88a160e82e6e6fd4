// time limit: 120 s
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, type TestContext, test } from 'node:test'
import { type Connection, Peer, type PeerOptions, type StateEvent } from '../../../src/entry/node.js'
import type { Relay } from '../../../src/relay/index.js'
import { ALPN, echo, readAll, relayOf } from './relay-pair.js'

const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const LIMIT = { timeout: 60_000 }

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function udpPeer(context: TestContext, relay: Relay, options: PeerOptions = {}): Promise<Peer> {
  const udp = { host: '127.0.0.1' }
  const peer = await Peer.create({ udp, relays: [relay.url], alpns: [ALPN], ...options })
  context.after(() => peer.close())
  return peer
}

/** A connection for which the dialling peer was told nothing but the other's id and relay. */
async function relayed(alice: Peer, bob: Peer, relay: Relay): Promise<Connection> {
  await Promise.all([alice.online(), bob.online()])
  return alice.connect({ id: bob.id, relays: [relay.url] }, { alpn: ALPN })
}

async function state(connection: Connection, wanted: Connection['state']): Promise<void> {
  while (connection.state !== wanted) await new Promise((resolve) => connection.on('state', resolve))
}

async function waitFor(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 10))
}

test(
  'two peers that met over a relay move to a direct path, and the relay carries no data any more',
  LIMIT,
  async (context) => {
    const relay = await relayOf(context)
    const [alice, bob] = [await udpPeer(context, relay), await udpPeer(context, relay)]
    const accepted = new Promise<Connection>((resolve) => bob.on('connection', resolve))
    void echo(bob)
    const connection = await relayed(alice, bob, relay)
    assert.equal(connection.paths[0]?.kind, 'relay')
    await state(connection, 'direct')
    await state(await accepted, 'direct')
    assert.deepEqual(
      connection.paths.map(({ kind }) => kind),
      ['udp', 'relay'],
    )
    const before = await alice.stats()
    const bytes = randomBytes(10 << 20)
    const { readable, writable } = await connection.createBidirectionalStream()
    const answer = readAll(readable)
    const writer = writable.getWriter()
    await writer.write(bytes)
    await writer.close()
    assert.equal(digest(await answer), digest(bytes))
    const stats = await alice.stats()
    assert.ok(stats.relayBytesSent - before.relayBytesSent < 100_000, String(stats.relayBytesSent))
    assert.ok(stats.traversalRounds >= 1 && stats.traversalsSucceeded === 1)
    assert.ok(stats.probesSent > 0)
  },
)

test('each transition tells the pair of addresses that is in use then', LIMIT, async (context) => {
  const relay = await relayOf(context)
  const [alice, bob] = [await udpPeer(context, relay), await udpPeer(context, relay)]
  void echo(bob)
  const pairs = new Map<string, StateEvent['pair']>()
  bob.on('state', ({ from, to, pair }) => pairs.set(`${from} to ${to}`, pair))
  const connection = await relayed(alice, bob, relay)
  const moved = new Map<string, StateEvent['pair']>()
  connection.on('state', ({ to, pair }) => moved.set(to, pair))
  await state(connection, 'direct')
  await waitFor(() => [...pairs.keys()].some((key) => key.endsWith('to direct')))
  assert.equal(moved.get('traversing')?.remote.relay, relay.url)
  assert.equal(moved.get('traversing')?.local, undefined)
  const direct = moved.get('direct')
  assert.equal(direct?.remote.kind, 'udp')
  assert.equal(direct?.remote.host, '127.0.0.1')
  connection.close()
  await waitFor(() => pairs.has('direct to closed'))
  // By then either side has told the other where it sees it.
  const closed = pairs.get('direct to closed')
  assert.equal(closed?.remote.kind, 'udp')
  assert.deepEqual(closed?.local, { host: '127.0.0.1', port: direct?.remote.port })
})

test(
  'a peer that wants no direct paths keeps its addresses to itself, and the connection stays relayed',
  LIMIT,
  async (context) => {
    const relay = await relayOf(context)
    const [alice, bob] = [await udpPeer(context, relay), await udpPeer(context, relay, { directPaths: false })]
    void echo(bob)
    const connection = await relayed(alice, bob, relay)
    await new Promise((resolve) => setTimeout(resolve, 3000))
    assert.deepEqual(
      connection.paths.map(({ kind }) => kind),
      ['relay'],
    )
    assert.equal((await bob.stats()).probesSent, 0)
  },
)
