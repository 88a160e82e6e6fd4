// time limit: 600 s

import assert from 'node:assert/strict'
import type * as Anypath from '../../src/index.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { echo, echoed, inNode, until } from './harness/relayed.js'
import {
  awaitClose,
  echoSessions,
  exchange,
  type Listener,
  listenerOf,
  policyOf,
  refusalOf,
  useSession,
} from './harness/web-transport.js'

const user = await userProject()
const { Peer } = await inNode(user)
const LOOPBACK = { host: '127.0.0.1' }
const pages = (listener: Listener) => packagePages(user, { headers: policyOf(listener) })

/** A Node peer that listens for browsers, for the time of a test. */
async function withListener(
  options: Anypath.PeerOptions,
  use: (peer: Anypath.Peer, sessions: Anypath.WebTransportSession[]) => Promise<void>,
): Promise<void> {
  const peer = await Peer.create({ webTransport: true, udp: LOOPBACK, ...options })
  const sessions: Anypath.WebTransportSession[] = []
  const serving = echoSessions(peer, sessions)
  try {
    await use(peer, sessions)
  } finally {
    await peer.close()
    await serving
  }
}

testInBrowsers(
  'a page opens a session with Node, on the port of a peer that is connected',
  async ({ serve, open, engine }) => {
    await withListener({ alpns: ['test/1'] }, async (peer, sessions) => {
      void echo(peer)
      const other = await Peer.create({ udp: LOOPBACK })
      try {
        const connection = await other.connect(await peer.ticket(), { alpn: 'test/1' })
        const listener = await listenerOf(peer)
        const site = await serve(pages(listener))
        const page = await open(site.url)
        const seen = await page.evaluate(useSession, listener)
        assert.equal(seen.stream, 'as it was sent')
        assert.equal(seen.oneWay, 'welcome to /echo')
        assert.equal(seen.datagram, 'ping')
        assert.ok(seen.maxDatagramSize >= 1000, `${seen.maxDatagramSize} bytes`)
        assert.equal(await echoed(connection, 'meanwhile'), 'meanwhile')
        const [session] = sessions
        assert.equal(session?.origin, new URL(site.url).origin)
        assert.equal(session?.host, '127.0.0.1')
        assert.deepEqual(await session?.closed, { closeCode: 7, reason: 'seen enough' })
        assert.equal((await peer.stats()).webTransportFaults, 0)
        console.log(`# ${engine}: ${seen.connectMs.toFixed(1)} ms to a session`)
      } finally {
        await other.close()
      }
    })
  },
)

testInBrowsers(
  'a restart keeps the certificate that a page knows, and sessions end with a word',
  async ({ serve, open }) => {
    const secretKey = '7f'.repeat(32)
    let listener: Listener | undefined
    await withListener({ secretKey }, async (peer, sessions) => {
      listener = await listenerOf(peer)
      const page = await open((await serve(pages(listener))).url)
      const closed = page.evaluate(awaitClose, listener)
      await until('a session', () => sessions.length > 0)
      await sessions[0]?.incomingUnidirectionalStreams.getReader().read()
      const stats = await sessions[0]?.getStats()
      assert.ok(stats && stats.smoothedRtt > 0 && stats.bytesReceived > 1000, JSON.stringify(stats))
      assert.equal(stats.paths[0]?.kind, 'udp')
      await peer.close({ closeCode: 3, reason: 'back soon' })
      assert.deepEqual(await closed, { closeCode: 3, reason: 'back soon' })
    })
    const port = Number(new URL(listener?.url ?? '').port)
    await withListener({ secretKey, udp: { ...LOOPBACK, port } }, async () => {
      const known = listener as Listener
      const page = await open((await serve(pages(known))).url)
      assert.equal((await page.evaluate(useSession, known)).stream, 'as it was sent')
    })
  },
)

testInBrowsers('what is not allowed is refused', async ({ serve, open, expectError }) => {
  expectError(/WebTransport|webtransport|ERR_|127\.0\.0\.1/)
  const accept = { session: ({ path }: Anypath.WebTransportRequest) => path !== '/forbidden' }
  await withListener({ accept }, async (peer) => {
    const listener = await listenerOf(peer)
    const page = await open((await serve(pages(listener))).url)
    const forbidden = { ...listener, url: listener.url.replace('/echo', '/forbidden') }
    assert.equal(await page.evaluate(refusalOf, forbidden), 'WebTransportError')
    const other = { ...listener, hashes: [[...new Uint8Array(32)]] }
    assert.equal(await page.evaluate(refusalOf, other), 'WebTransportError')
    assert.equal(await page.evaluate(refusalOf, listener), 'opened')
  })
  const webTransport = { origins: ['https://example.com'] }
  await withListener({ webTransport }, async (peer) => {
    const listener = await listenerOf(peer)
    const page = await open((await serve(pages(listener))).url)
    assert.equal(await page.evaluate(refusalOf, listener), 'WebTransportError')
    assert.equal((await peer.stats()).webTransportRefused, 1)
  })
})

testInBrowsers('16 MiB go there and back on one stream', async ({ serve, open, engine }) => {
  await withListener({}, async (peer) => {
    const listener = await listenerOf(peer)
    const page = await open((await serve(pages(listener))).url)
    const started = performance.now()
    assert.ok(await page.evaluate(exchange, { ...listener, bytes: 16 << 20 }))
    const seconds = (performance.now() - started) / 1000
    console.log(`# ${engine}: ${(32 / seconds).toFixed(1)} MiB/s`)
  })
})
