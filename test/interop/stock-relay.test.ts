import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Peer, type PeerOptions } from '../../src/entry/node.js'
import { NodeRelays } from '../../src/transport/relay.node.js'
import type { RelayDialer, RelaySocket, RelaySocketEvents } from '../../src/transport/transport.js'
import { relaysLeft } from '../node/relayed/relay-pair.js'
import { echoAll, exchange } from './exchange.js'
import { IrohPeer, skipStock } from './stock-peers.js'
import { type StockServer, startStockRelay } from './stock-servers.js'

const ALPN = 'anypath-test/1'
/** A busy machine takes its time for a handshake. */
const DIAL = { alpn: ALPN, timeoutMs: 30_000 }
const BYTES = 100_000
const LIMIT = { skip: skipStock, timeout: 120_000 }
/** How much farther away one relay of a fleet is made: far more than a busy machine makes of the other. */
const FAR_MS = 500

/** The relays of a Node peer, one of them farther away than it is; it tells which version of the protocol each chose. */
class TestedRelays implements RelayDialer {
  readonly versions = new Map<string, 1 | 2>()
  readonly #relays = new NodeRelays([])
  #far: string | undefined

  constructor(far?: string) {
    this.#far = far
  }

  /** From now on all are where they are. */
  measured(): void {
    this.#far = undefined
  }

  dial(url: string, events: RelaySocketEvents): RelaySocket {
    const delayed = (deliver: () => void) => void (url === this.#far ? setTimeout(deliver, FAR_MS) : deliver())
    return this.#relays.dial(url, {
      opened: (version) => {
        this.versions.set(url, version)
        events.opened(version)
      },
      message: (data) => {
        const kept = data.slice()
        delayed(() => events.message(kept))
      },
      closed: (reason) => delayed(() => events.closed(reason)),
    })
  }
}

/** A peer whose home is the first relay and not the second one, which it knows too. */
async function peerAt(context: TestContext, home: StockServer, other: StockServer): Promise<Peer> {
  const relayDialer = new TestedRelays(other.url)
  const peer = await relayedPeer(context, [other.url, home.url], { relayDialer })
  relayDialer.measured()
  assert.equal(peer.relay?.url, home.url)
  return peer
}

/** A peer without a socket: it is reached over relays and over nothing else. */
async function relayedPeer(
  context: TestContext,
  relays: NonNullable<PeerOptions['relays']>,
  options: PeerOptions = {},
): Promise<Peer> {
  const peer = await Peer.create({ transports: [], alpns: [ALPN], relays, ...options })
  context.after(() => peer.close())
  await peer.online({ timeoutMs: 30_000 })
  return peer
}

async function stockRelay(context: TestContext): Promise<StockServer> {
  const relay = await startStockRelay()
  context.after(() => relay[Symbol.asyncDispose]())
  return relay
}

test(
  'two peers of ours exchange streams and datagrams over a stock relay, by version 2 of its protocol',
  LIMIT,
  async (context) => {
    const { url } = await stockRelay(context)
    const relayDialer = new TestedRelays()
    const bob = await relayedPeer(context, [url])
    const alice = await relayedPeer(context, [url], { relayDialer })
    const accepted = echoAll(bob)
    const connection = await alice.connect(await bob.ticket(), DIAL)
    assert.equal(connection.remoteId, bob.id)
    assert.equal((await accepted).remoteId, alice.id)
    assert.deepEqual(
      connection.paths.map(({ kind, relay }) => [kind, relay]),
      [['relay', url]],
    )
    await exchange(connection, BYTES)
    assert.deepEqual([...relayDialer.versions], [[url, 2]])
  },
)

test('a peer of ours and a stock one dial each other over a stock relay', LIMIT, async (context) => {
  const { url } = await stockRelay(context)
  const peer = await relayedPeer(context, [url])
  await weDialStock(peer, [url])
  await stockDialsUs(peer, [url])
})

test('a stock relay that asks for a token serves who presents it, and denies others', LIMIT, async (context) => {
  await using relay = await startStockRelay(['one', 'a token'])
  const { url } = relay
  const bob = await relayedPeer(context, [{ url, token: 'one' }])
  const alice = await relayedPeer(context, [{ url, token: 'a token' }])
  void echoAll(bob)
  await exchange(await alice.connect(await bob.ticket(), DIAL), 1000)
  for (const refused of [url, { url, token: 'another' }]) {
    await assert.rejects(relayedPeer(context, [refused]), { code: 'RelayDenied' })
  }
})

test('peers whose homes are different relays of a stock fleet reach each other', LIMIT, async (context) => {
  const [here, there] = [await stockRelay(context), await stockRelay(context)]
  const alice = await peerAt(context, here, there)
  const bob = await peerAt(context, there, here)
  void echoAll(bob)
  void echoAll(alice)
  for (const [dialler, acceptor] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    const connection = await dialler.connect(await acceptor.ticket(), DIAL)
    assert.equal(connection.paths[0]?.relay, acceptor.relay?.url)
    await exchange(connection, BYTES)
    connection.close()
  }
})

test('a connection outlives the relay of a stock fleet that it began on', LIMIT, async (context) => {
  const fleet = [await stockRelay(context), await stockRelay(context)]
  const urls = fleet.map(({ url }) => url)
  const [alice, bob] = [await relayedPeer(context, urls), await relayedPeer(context, urls)]
  void echoAll(bob)
  const connection = await alice.connect(await bob.ticket(), DIAL)
  await exchange(connection, BYTES)
  const [lost, left] = fleet.toSorted(({ url }) => (url === bob.relay?.url ? -1 : 1))
  await lost?.[Symbol.asyncDispose]()
  await exchange(connection, BYTES)
  assert.equal(connection.paths[0]?.relay, left?.url)
  assert.deepEqual(await relaysLeft(connection), [left?.url])
  assert.equal((await bob.online({ timeoutMs: 30_000 })).url, left?.url)
})

test('stock peers at one relay of a fleet and ours at another reach each other', LIMIT, async (context) => {
  const [here, there] = [await stockRelay(context), await stockRelay(context)]
  const peer = await peerAt(context, here, there)
  await weDialStock(peer, [there.url])
  await stockDialsUs(peer, [there.url])
})

async function weDialStock(peer: Peer, relays: string[]): Promise<void> {
  const args = relays.flatMap((url) => ['--relay', url])
  await using listener = new IrohPeer(['listen', '--alpn', ALPN, ...args, '--connections', '1'])
  const { ticket = '', id } = await listener.report('listening')
  const connection = await peer.connect(ticket, DIAL)
  assert.equal(connection.remoteId, id)
  assert.equal((await listener.report('connection')).remote_id, peer.id)
  await exchange(connection, BYTES)
  connection.close()
  assert.equal((await listener.report('closed')).uni_streams, 1)
}

async function stockDialsUs(peer: Peer, relays: string[]): Promise<void> {
  const accepted = echoAll(peer)
  const args = relays.flatMap((url) => ['--relay', url])
  const ticket = String(await peer.ticket())
  await using dialler = new IrohPeer(['dial', '--alpn', ALPN, ...args, '--ticket', ticket, '--bytes', String(BYTES)])
  const checked = await dialler.report('checked')
  assert.equal(checked.remote_id, peer.id)
  assert.ok((checked.datagrams_echoed ?? 0) > 0, 'no datagram came back')
  assert.match((await accepted).remoteId, /^[0-9a-f]{64}$/)
  assert.equal(await dialler.exitCode(), 0)
}
