// time limit: 180 s
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, type TestContext, test } from 'node:test'
import type { Connection } from '../../../src/index.js'
import { ALPN, echo, readAll, relayedPeer, relayOf, relaysLeft } from './relay-pair.js'

// Timers of a peer keep no process alive, and between two relays it has no socket.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

/** A test that waits for ever says which one it is. */
const LIMIT = { timeout: 60_000 }

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function connected(context: TestContext) {
  const relay = await relayOf(context)
  const bob = await relayedPeer(context, [relay.url])
  const alice = await relayedPeer(context, [relay.url])
  void echo(bob)
  const connection = await alice.connect(await bob.ticket(), { alpn: ALPN })
  return { relay, alice, bob, connection }
}

/** What comes back of bytes that the remote echoes. */
async function echoed(connection: Connection, bytes: Uint8Array): Promise<Uint8Array> {
  const { readable, writable } = await connection.createBidirectionalStream()
  const answer = readAll(readable)
  const writer = writable.getWriter()
  await writer.write(bytes)
  await writer.close()
  return answer
}

test('two peers without sockets talk over a relay, and know it', LIMIT, async (context) => {
  const { relay, alice, bob, connection } = await connected(context)
  assert.equal(connection.remoteId, bob.id)
  assert.equal(connection.state, 'relayed')
  const [path] = connection.paths
  assert.deepEqual([path?.kind, path?.relay, path?.port], ['relay', relay.url, relay.httpPort])
  assert.equal(alice.relay?.url, relay.url)
  assert.equal(alice.relay?.state, 'connected')
  assert.ok((alice.relay?.latencyMs ?? Number.NaN) >= 0)
  const bytes = randomBytes(8 << 20)
  assert.equal(digest(await echoed(connection, bytes)), digest(bytes))
  const stats = await alice.stats()
  assert.equal(stats.relaysConnected, 1)
  assert.ok(stats.relayBytesSent > bytes.length && stats.relayBytesReceived > bytes.length)
})

test('datagrams go over a relay', LIMIT, async (context) => {
  const relay = await relayOf(context)
  const bob = await relayedPeer(context, [relay.url])
  const alice = await relayedPeer(context, [relay.url])
  const incoming = new Promise<Connection>((resolve) => bob.on('connection', resolve))
  const connection = await alice.connect(await bob.ticket(), { alpn: ALPN })
  const other = await incoming
  await connection.datagrams.send(new Uint8Array([1, 2, 3]))
  const { value } = await other.datagrams.readable.getReader().read()
  assert.deepEqual([...(value ?? [])], [1, 2, 3])
})

test('a ticket names the home relay only while it is connected', LIMIT, async (context) => {
  const relay = await relayOf(context)
  const peer = await relayedPeer(context, [relay.url])
  assert.deepEqual((await peer.ticket()).addresses, [{ kind: 'relay', url: relay.url }])
  const lost = new Promise<void>((resolve) => {
    peer.on('relay', ({ state }) => state !== 'connected' && resolve())
  })
  await relay.close()
  await lost
  await assert.rejects(peer.online({ timeoutMs: 50 }), { code: 'RelayUnreachable' })
})

test(
  'a dial over a relay to somebody who is not there is Unreachable, and says so within its limit',
  LIMIT,
  async (context) => {
    const relay = await relayOf(context)
    const alice = await relayedPeer(context, [relay.url])
    const target = { id: 'd04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737', relays: [relay.url] }
    await assert.rejects(alice.connect(target, { alpn: ALPN, timeoutMs: 1000 }), { code: 'Unreachable' })
  },
)

test('without relays of its own a peer without sockets fails with NoRelayConfigured', LIMIT, async (context) => {
  const relay = await relayOf(context)
  const bob = await relayedPeer(context, [relay.url])
  const alice = await relayedPeer(context, [])
  await assert.rejects(alice.connect(await bob.ticket(), { alpn: ALPN }), { code: 'NoRelayConfigured' })
})

test('a connection survives the restart of its relay in the middle of a transfer', LIMIT, async (context) => {
  const { relay, alice, connection } = await connected(context)
  const errors: unknown[] = []
  connection.closed.catch((error: unknown) => errors.push(error))
  const bytes = randomBytes(24 << 20)
  const answer = echoed(connection, bytes)
  const { relayBytesSent: before } = await alice.stats()
  while ((await alice.stats()).relayBytesSent < before + (4 << 20))
    await new Promise((resolve) => setTimeout(resolve, 5))
  await relay.close()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  await relayOf(context, relay.httpPort)
  assert.equal(digest(await answer), digest(bytes))
  assert.deepEqual(errors, [])
  assert.equal(connection.state, 'relayed')
})

test(
  'a connection moves to another relay that both sides know when its own does not come back',
  LIMIT,
  async (context) => {
    const first = await relayOf(context)
    const second = await relayOf(context)
    const both = [first.url, second.url]
    const bob = await relayedPeer(context, both)
    const alice = await relayedPeer(context, both)
    void echo(bob)
    const home = (await bob.online()).url
    const connection = await alice.connect({ id: bob.id, relays: [home] }, { alpn: ALPN })
    // A relay that dies before the last flight of the handshake has come takes the connection with it.
    await echoed(connection, new Uint8Array(3))
    const [gone, left] = home === first.url ? [first, second] : [second, first]
    await gone.close()
    const bytes = randomBytes(1 << 20)
    assert.equal(digest(await echoed(connection, bytes)), digest(bytes))
    assert.equal(connection.paths[0]?.relay, left.url)
    assert.deepEqual(await relaysLeft(connection), [left.url])
  },
)

test('a remote that is closed is known at once', LIMIT, async (context) => {
  const { bob, connection } = await connected(context)
  // Before its handshake is over a peer can't tell a reason.
  await echoed(connection, new Uint8Array(3))
  const started = performance.now()
  void bob.close({ closeCode: 7, reason: 'done' })
  assert.deepEqual(await connection.closed, { closeCode: 7, reason: 'done' })
  assert.ok(performance.now() - started < 2000)
})

test('a relay that wants a token is told it, and one that gets a wrong one is RelayDenied', LIMIT, async (context) => {
  const { startRelay } = await import('../../../src/relay/index.js')
  const relay = await startRelay({ port: 0, tokens: ['right'] })
  context.after(() => relay.close())
  const served = await relayedPeer(context, [], { relays: [{ url: relay.url, token: 'right' }] })
  assert.equal((await served.online()).state, 'connected')
  const refused = await relayedPeer(context, [], { relays: [{ url: relay.url, token: 'wrong' }] })
  await assert.rejects(refused.online({ timeoutMs: 5000 }), (error: { code: string }) =>
    ['RelayDenied', 'RelayUnreachable'].includes(error.code),
  )
})
