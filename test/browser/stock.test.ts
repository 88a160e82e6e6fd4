// time limit: 900 s

import assert from 'node:assert/strict'
import { after } from 'node:test'
import { zBase32FromHex } from '../../src/discovery/base-32.js'
import { IrohPeer, skipStock } from '../interop/stock-peers.js'
import { type StockServer, startStockDnsServer, startStockRelay } from '../interop/stock-servers.js'
import {
  dialledBy,
  type Exchanged,
  echoingPeerInPage,
  exchangeInPage,
  subprotocols,
  watchSockets,
} from './harness/exchange.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import {
  dialInPage,
  echo,
  echoed,
  echoInPage,
  inNode,
  policyFor,
  serveInPage,
  startRelay,
  until,
} from './harness/relayed.js'

const BYTES = 1 << 18
const STOCK = ['--alpn', 'test/1']

const user = await userProject()
const { Peer } = await inNode(user)
const embedded = await startRelay(user)
after(() => embedded.close())
const stock = await startedHere(() => startStockRelay())
const other = await startedHere(() => startStockRelay())
const TOKEN = 'a token'
const guarded = await startedHere(() => startStockRelay([TOKEN]))
const dns = await startedHere(startStockDnsServer)
const only = { skip: skipStock }

/** A stock server for all tests of this file; where it can't be built, they are skipped. */
async function startedHere<T extends StockServer>(start: () => Promise<T>): Promise<T> {
  if (skipStock) return { url: '' } as T
  const server = await start()
  after(() => server[Symbol.asyncDispose]())
  return server
}

function assertWhole({ bidirectional, unidirectional, datagram }: Exchanged): void {
  assert.deepEqual(
    { bidirectional, unidirectional, datagram },
    { bidirectional: BYTES, unidirectional: BYTES, datagram: 1000 },
  )
}

testInBrowsers(
  'two tabs talk over a stock relay that asks for a token, by version 2 of its protocol, under a strict policy',
  async ({ serve, open, profile }) => {
    const { url } = await serve(packagePages(user, { headers: policyFor([guarded.url]) }))
    const own = await profile()
    const [bob, alice] = [await open(url, own), await open(url, own)]
    await alice.evaluate(watchSockets)
    const { ticket, id } = await bob.evaluate(echoingPeerInPage, { relays: [{ url: guarded.url, token: TOKEN }] })
    const exchanged = await alice.evaluate(exchangeInPage, {
      relays: [{ url: guarded.url, token: TOKEN }],
      target: ticket,
      bytes: BYTES,
    })
    assertWhole(exchanged)
    assert.deepEqual([exchanged.remoteId, exchanged.relays], [id, [guarded.url]])
    assert.deepEqual(await bob.evaluate(dialledBy), [exchanged.id])
    assert.deepEqual(await alice.evaluate(subprotocols), ['iroh-relay-v2'])
  },
  only,
)

testInBrowsers(
  'a tab dials Node over a stock relay, and Node dials a tab',
  async ({ serve, open }) => {
    const page = await open((await serve(packagePages(user, { headers: policyFor([stock.url]) }))).url)
    const node = await Peer.create({ alpns: ['test/1'], relays: [stock.url], udp: { host: '127.0.0.1' } })
    try {
      void echo(node)
      await node.online({ timeoutMs: 30_000 })
      const target = { relay: stock.url, ticket: String(await node.ticket()) }
      assert.equal((await page.evaluate(dialInPage, target)).remoteId, node.id)
      assert.equal(await page.evaluate(echoInPage, 'to Node and back'), 'to Node and back')
      const connection = await node.connect(await page.evaluate(serveInPage, stock.url), {
        alpn: 'test/1',
        timeoutMs: 30_000,
      })
      assert.equal(connection.paths[0]?.relay, stock.url)
      assert.equal(await echoed(connection, 'to the tab and back'), 'to the tab and back')
    } finally {
      await node.close()
    }
  },
  only,
)

for (const [name, relay] of [
  ['our relay', embedded],
  ['a stock relay', stock],
] as const) {
  testInBrowsers(
    `a tab dials stock iroh over ${name}, and stock iroh dials a tab: streams both ways, each checks the other's key`,
    async ({ serve, open }) => {
      const { url } = await serve(packagePages(user, { headers: policyFor([relay.url]) }))
      const through = ['--relay', relay.url]
      const page = await open(url)
      await using listener = new IrohPeer(['listen', ...STOCK, ...through, '--connections', '1'])
      const { id, ticket = '' } = await listener.report('listening')
      const exchanged = await page.evaluate(exchangeInPage, { relays: [relay.url], target: ticket, bytes: BYTES })
      assertWhole(exchanged)
      assert.deepEqual([exchanged.remoteId, exchanged.relays], [id, [relay.url]])
      assert.equal((await listener.report('connection')).remote_id, exchanged.id)
      const { bi_streams, uni_streams } = await listener.report('closed')
      assert.deepEqual([bi_streams, uni_streams], [1, 1])

      const tab = await page.evaluate(echoingPeerInPage, { relays: [relay.url] })
      await using dialler = new IrohPeer([
        'dial',
        ...STOCK,
        ...through,
        '--ticket',
        tab.ticket,
        '--bytes',
        String(BYTES),
      ])
      const checked = await dialler.report('checked')
      assert.equal(checked.remote_id, tab.id)
      assert.ok((checked.datagrams_echoed ?? 0) > 0, 'no datagram came back')
      assert.equal(await dialler.exitCode(), 0)
      const [dialledFrom = '', ...more] = await page.evaluate(dialledBy)
      assert.match(dialledFrom, /^[0-9a-f]{64}$/)
      assert.deepEqual(more, [])
    },
    only,
  )
}

testInBrowsers(
  'a tab and stock iroh, each at another relay of a stock fleet, find each other by key alone on a stock iroh-dns-server',
  async ({ serve, open, expectError }) => {
    // A publisher asks for its own record first, and there is none yet.
    expectError(/responded with a status of 404/)
    const headers = policyFor([stock.url, other.url], dns.url)
    const page = await open((await serve(packagePages(user, { headers }))).url)
    const records = `${dns.url}pkarr`
    const stockArgs = [...STOCK, '--relay', other.url, '--pkarr', records]
    await using listener = new IrohPeer(['listen', ...stockArgs])
    const { id = '' } = await listener.report('listening')
    await until('the record of stock iroh is there', () => isPublished(records, id))
    const exchanged = await page.evaluate(exchangeInPage, { relays: [stock.url], target: id, records, bytes: BYTES })
    assertWhole(exchanged)
    assert.deepEqual([exchanged.remoteId, exchanged.relays], [id, [other.url]])

    const tab = await page.evaluate(echoingPeerInPage, { relays: [stock.url], records })
    await until('the record of the tab is there', () => isPublished(records, tab.id))
    await using dialler = new IrohPeer(['dial', ...stockArgs, '--id', tab.id, '--bytes', String(BYTES)])
    assert.equal((await dialler.report('checked')).remote_id, tab.id)
  },
  only,
)

async function isPublished(records: string, id: string): Promise<boolean> {
  return (await fetch(`${records}/${zBase32FromHex(id)}`)).ok
}
