// time limit: 900 s

import assert from 'node:assert/strict'
import { after } from 'node:test'
import type * as Anypath from '../../src/index.js'
import {
  closePeerInPage,
  dialByTicket,
  dialFailure,
  dialTwice,
  killSessions,
  pathsInPage,
  policyForPeer,
  receiveFileInPage,
} from './harness/carrier.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { echoInPage, inNode, receiveFile, sendFile, sendFileInPage, startRelay, until } from './harness/relayed.js'

const FILE_BYTES = 64 << 20

const user = await userProject()
const { Peer } = await inNode(user)
/** It outlives the pages: of a relay that has gone they say that it can't be reached. */
const relay = await startRelay(user)
after(() => relay.close())

/** A Node peer that listens for browsers, for the time of a test. */
async function withPeer(
  options: Anypath.PeerOptions,
  use: (peer: Anypath.Peer, next: () => Promise<Anypath.Connection>) => Promise<void>,
): Promise<void> {
  const peer = await Peer.create({ alpns: ['test/1'], webTransport: true, udp: { host: '127.0.0.1' }, ...options })
  const incoming = peer.incoming[Symbol.asyncIterator]()
  try {
    await use(peer, async () => (await incoming.next()).value)
  } finally {
    await peer.close()
  }
}

const kindsOf = (connection: Anypath.Connection) => connection.paths.map(({ kind }) => kind)

testInBrowsers('a page dials a Node peer without a relay, and 64 MiB go both ways', async ({ serve, open, engine }) => {
  await withPeer({}, async (peer, next) => {
    const page = await open((await serve(packagePages(user, { headers: await policyForPeer(peer) }))).url)
    const ticket = String(await peer.ticket())
    const arrived = next()
    assert.deepEqual(await page.evaluate(dialByTicket, { relays: [], ticket }), ['webtransport'])
    const connection = await arrived
    assert.deepEqual(kindsOf(connection), ['webtransport'])
    assert.equal(connection.paths[0]?.host, '127.0.0.1')
    const started = performance.now()
    const received = receiveFile(connection)
    assert.equal(await page.evaluate(sendFileInPage, FILE_BYTES), await received)
    const upMs = performance.now() - started
    const receiving = page.evaluate(receiveFileInPage)
    const sent = await sendFile(connection, FILE_BYTES)
    assert.equal(await receiving, sent)
    const downMs = performance.now() - started - upMs
    console.log(`# ${engine}: ${mbs(upMs)} MB/s up, ${mbs(downMs)} down, hashing included`)
    const closed = connection.closed
    await page.evaluate(closePeerInPage)
    assert.deepEqual(await closed, { closeCode: 5, reason: 'done' })
    await until('the session is gone', async () => (await peer.stats()).webTransportSessions === 0)
    const stats = await peer.stats()
    assert.equal(stats.webTransportFaults, 0)
    assert.equal(stats.malformedDropped, 0)
  })
})

testInBrowsers('a session knows where to dial again what a ticket named', async ({ serve, open }) => {
  await withPeer({}, async (peer) => {
    const page = await open((await serve(packagePages(user, { headers: await policyForPeer(peer) }))).url)
    const dialled = { ticket: String(await peer.ticket()), id: peer.id }
    assert.deepEqual(await page.evaluate(dialTwice, dialled), ['webtransport'])
  })
})

const mbs = (ms: number) => (FILE_BYTES / 1000 / ms).toFixed(1)

testInBrowsers(
  'a session that is killed in mid-transfer costs nothing where a relay is, and is opened again',
  async (browser) => {
    const { serve, open } = browser
    await withPeer({ relays: [relay.url] }, async (peer, next) => {
      await peer.online()
      const headers = await policyForPeer(peer, relay.url)
      const page = await open((await serve(packagePages(user, { headers }))).url)
      const arrived = next()
      await page.evaluate(dialByTicket, { relays: [relay.url], ticket: String(await peer.ticket()) })
      const connection = await arrived
      const has = (kinds: string) => async () => String((await page.evaluate(pathsInPage)).kinds) === kinds
      const bytesReceived = async () => (await connection.getStats()).bytesReceived
      await until('both paths, the direct one in use', has('webtransport,relay'))
      await until('Node uses it, too', () => kindsOf(connection)[0] === 'webtransport')
      const received = receiveFile(connection)
      const sent = page.evaluate(sendFileInPage, FILE_BYTES)
      for (const task of [received, sent]) task.catch(() => {})
      await until('a quarter has arrived', async () => (await bytesReceived()) > FILE_BYTES / 4)
      assert.equal(await page.evaluate(killSessions), 1)
      assert.ok((await bytesReceived()) < FILE_BYTES, 'it was over before the session was killed')
      assert.equal(await sent, await received)
      const { selected } = await page.evaluate(pathsInPage)
      assert.ok(selected.includes('relay') && selected.includes('webtransport'), String(selected))
      await until('both paths again', has('webtransport,relay'))
      const receiving = page.evaluate(receiveFileInPage)
      const sending = sendFile(connection, FILE_BYTES)
      await until('it is on its way', async () => (await connection.getStats()).bytesSent > FILE_BYTES / 4)
      await page.evaluate(killSessions)
      assert.equal(await receiving, await sending)
    })
  },
)

testInBrowsers(
  'a page that dials by the id alone is told over the relay where the peer listens, and comes back there when its session dies',
  async ({ serve, open }) => {
    await withPeer({ relays: [relay.url] }, async (peer, next) => {
      await peer.online()
      const headers = await policyForPeer(peer, relay.url)
      const page = await open((await serve(packagePages(user, { headers }))).url)
      const arrived = next()
      const dialled = { relays: [relay.url], ticket: { id: peer.id, relays: [relay.url] } }
      assert.deepEqual(await page.evaluate(dialByTicket, dialled), ['relay'])
      const connection = await arrived
      const direct = async () => String((await page.evaluate(pathsInPage)).kinds) === 'webtransport,relay'
      const tookMs = await until('both paths, the direct one in use', direct)
      console.log(`# direct after ${tookMs.toFixed(0)} ms`)
      await until('Node uses it, too', () => kindsOf(connection)[0] === 'webtransport')
      const received = receiveFile(connection)
      assert.equal(await page.evaluate(sendFileInPage, FILE_BYTES / 4), await received)
      assert.equal(await page.evaluate(killSessions), 1)
      await until('it has gone back to the relay', async () =>
        (await page.evaluate(pathsInPage)).selected.includes('relay'),
      )
      await until('both paths again', direct)
    })
  },
)

testInBrowsers(
  'wrong hashes open no session, and a peer beside is not harmed',
  async ({ serve, open, expectError }) => {
    expectError(/WebTransport|webtransport|ERR_|127\.0\.0\.1/)
    await withPeer({}, async (peer, next) => {
      await withPeer({}, async (other) => {
        const page = await open((await serve(packagePages(user, { headers: await policyForPeer(peer) }))).url)
        const ticket = String(await peer.ticket())
        const arrived = next()
        await page.evaluate(dialByTicket, { relays: [], ticket })
        const connection = await arrived
        const hash = (await peer.webTransportSessions.certificateHashes())[0]?.value
        const otherHash = (await other.webTransportSessions.certificateHashes())[0]?.value
        assert.ok(hash && otherHash)
        const forged = withBytes(ticket, hash, otherHash)
        assert.equal(await page.evaluate(dialFailure, { ticket: forged, timeoutMs: 2000 }), 'Unreachable')
        void (async () => {
          for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
            void readable.pipeTo(writable).catch(() => {})
          }
        })().catch(() => {})
        assert.equal(await page.evaluate(echoInPage, 'unharmed'), 'unharmed')
        assert.equal((await peer.stats()).webTransportSessions, 1)
      })
    })
  },
)

const DIGITS = 'abcdefghijklmnopqrstuvwxyz234567'

/** A ticket with other bytes in the place of some. */
function withBytes(ticket: string, bytes: Uint8Array, others: Uint8Array): string {
  const bits = [...ticket.slice('endpoint'.length)]
    .map((digit) => DIGITS.indexOf(digit).toString(2).padStart(5, '0'))
    .join('')
  const all = (bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2))
  const at = all.findIndex((_, index) => bytes.every((byte, offset) => all[index + offset] === byte))
  assert.ok(at > 0, 'the ticket has the hash')
  all.splice(at, others.length, ...others)
  const written = all.map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const digits = written.padEnd(Math.ceil(written.length / 5) * 5, '0').match(/.{5}/g) ?? []
  return `endpoint${digits.map((digit) => DIGITS[Number.parseInt(digit, 2)]).join('')}`
}
