import assert from 'node:assert/strict'
import { Resolver } from 'node:dns/promises'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { zBase32FromHex } from '../../src/discovery/base-32.js'
import { Peer, type PeerOptions, pkarrDiscovery, pkarrPublisher } from '../../src/entry/node.js'
import { startRelay } from '../../src/relay/index.js'
import { echoAll, exchange } from './exchange.js'
import { IrohPeer, skipStock } from './stock-peers.js'
import { startStockDnsServer, startStockRelay } from './stock-servers.js'

const ALPN = 'anypath-test/1'
/** A busy machine takes its time for a handshake. */
const DIAL = { alpn: ALPN, timeoutMs: 30_000 }
const BYTES = 100_000
const PUBLISH_LIMIT_MS = 60_000
const LIMIT = { skip: skipStock, timeout: 120_000 }

/** Servers for one test: a relay, and what keeps the records. */
interface Servers {
  readonly relay: string
  /** Where records are put and got, as both libraries are told it. */
  readonly records: string
}

/** One machine: the relay keeps the records too. */
async function ours(context: TestContext): Promise<Servers> {
  const relay = await startRelay({ port: 0 })
  context.after(() => relay.close())
  return { relay: relay.url, records: `${relay.url}pkarr` }
}

/** A fleet of stock software. */
async function stock(context: TestContext): Promise<Servers & { nameServer: string; origin: string }> {
  const relay = await startStockRelay()
  context.after(() => relay[Symbol.asyncDispose]())
  const server = await startStockDnsServer()
  context.after(() => server[Symbol.asyncDispose]())
  const { nameServer, origin } = server
  return { relay: relay.url, records: `${server.url}pkarr`, nameServer, origin }
}

async function created(context: TestContext, options: PeerOptions): Promise<Peer> {
  const peer = await Peer.create({ alpns: [ALPN], ...options })
  context.after(() => peer.close())
  return peer
}

/** How peers reach each other once they have found each other; without a relay all addresses are published. */
const WAYS = {
  'a relay': (relay: string) => ({
    options: { transports: [], relays: [relay] },
    publish: 'relay-only' as const,
    args: ['--relay', relay],
  }),
  'an address': () => ({ options: { udp: { host: '127.0.0.1' } }, publish: 'all' as const, args: [] }),
} as const

for (const [name, servers] of [
  ['our relay', ours],
  ['a stock iroh-dns-server', stock],
] as const) {
  for (const [way, peers] of Object.entries(WAYS)) {
    test(`stock iroh finds our peer by its key alone on ${name}, and dials it over ${way}`, LIMIT, async (context) => {
      const { relay, records } = await servers(context)
      const { options, publish, args } = peers(relay)
      const peer = await created(context, { ...options, discovery: [pkarrPublisher({ url: records, publish })] })
      const accepted = echoAll(peer)
      await published(records, peer.id)
      const target = ['--pkarr', records, '--id', peer.id, '--bytes', String(BYTES)]
      await using dialler = new IrohPeer(['dial', '--alpn', ALPN, ...args, ...target])
      assert.equal((await dialler.report('checked')).remote_id, peer.id)
      assert.equal((await accepted).paths[0]?.kind, way === 'a relay' ? 'relay' : 'udp')
      assert.equal(await dialler.exitCode(), 0)
    })

    test(`our peer finds stock iroh by its key alone on ${name}, and dials it over ${way}`, LIMIT, async (context) => {
      const { relay, records } = await servers(context)
      const { options, args } = peers(relay)
      await using listener = new IrohPeer(['listen', '--alpn', ALPN, ...args, '--pkarr', records])
      const { id = '' } = await listener.report('listening')
      const peer = await created(context, { ...options, discovery: [pkarrDiscovery({ url: records })] })
      await published(records, id)
      const connection = await peer.connect(id, DIAL)
      assert.equal(connection.remoteId, id)
      assert.equal((await listener.report('connection')).remote_id, peer.id)
      await exchange(connection, BYTES)
      assert.equal(connection.paths[0]?.kind, way === 'a relay' ? 'relay' : 'udp')
    })
  }
}

test(
  'what our peer publishes is in the DNS of a stock server, where stock iroh finds it, until the peer is closed',
  LIMIT,
  async (context) => {
    const { relay, records, nameServer, origin } = await stock(context)
    const discovery = [pkarrPublisher({ url: records, userData: 'room 7' })]
    const peer = await created(context, { transports: [], relays: [relay], discovery })
    void echoAll(peer)
    await published(records, peer.id)

    const resolver = new Resolver()
    resolver.setServers([nameServer])
    const domain = `_iroh.${zBase32FromHex(peer.id)}.${origin}`
    const texts = async () => (await resolver.resolveTxt(domain)).map((strings) => strings.join(''))
    assert.ok((await texts()).includes(`relay=${relay}`), String(await texts()))

    const args = ['--alpn', ALPN, '--relay', relay, '--dns', nameServer, '--dns-origin', origin, '--id', peer.id]
    await using dialler = new IrohPeer(['dial', ...args, '--bytes', String(BYTES)])
    assert.equal((await dialler.report('checked')).remote_id, peer.id)

    await peer.close()
    await assert.rejects(texts(), { code: /ENOTFOUND|ENODATA/ })
    await using late = new IrohPeer(['dial', ...args])
    await assert.rejects(late.report('checked'), /can't connect/)
  },
)

/** Waits until there is a record of a peer. */
async function published(records: string, id: string): Promise<void> {
  const deadline = performance.now() + PUBLISH_LIMIT_MS
  while (!(await fetch(`${records}/${zBase32FromHex(id)}`)).ok) {
    assert.ok(performance.now() < deadline, `no record of ${id}`)
    await sleep(50)
  }
}
