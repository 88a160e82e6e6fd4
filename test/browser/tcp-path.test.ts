import assert from 'node:assert/strict'
import type * as Anypath from '../../src/index.js'
import { closePeerInPage, policyForPeer, receiveFileInPage } from './harness/carrier.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { inNode, receiveFile, sendFile, sendFileInPage } from './harness/relayed.js'

/** What pages have as a global. */
declare const anypath: typeof Anypath

const FILE_BYTES = 8 << 20

const user = await userProject()
const { Peer } = await inNode(user)

/** Runs in a page: dials without relays where HTTP/3 gets no answer, as on a network that blocks UDP; tells the path in use. */
async function dialWithoutUdp(ticket: string): Promise<{ kind: string; tcp: boolean }> {
  class SilentTransport {
    readonly ready = new Promise(() => {})
    readonly closed = new Promise(() => {})
    close(): void {}
  }
  Object.assign(globalThis, { WebTransport: SilentTransport })
  const peer = await anypath.Peer.create()
  const connection = await peer.connect(ticket, { alpn: 'test/1', timeoutMs: 30_000 })
  Object.assign(globalThis, { dialled: { peer, connection, selected: [] } })
  const [path] = connection.paths
  return { kind: path?.kind ?? '', tcp: path?.tcp === true }
}

testInBrowsers('where UDP is blocked a page reaches a Node peer over TCP, and 8 MiB go both ways', async (browser) => {
  const { serve, open, engine } = browser
  const webTransport = { tcp: { host: '127.0.0.1', port: 8443 } }
  const peer = await Peer.create({ alpns: ['test/1'], webTransport, udp: { host: '127.0.0.1' } })
  const incoming = peer.incoming[Symbol.asyncIterator]()
  try {
    const policy = await policyForPeer(peer)
    const headers = { 'content-security-policy': `${policy['content-security-policy']} ws://127.0.0.1:8443` }
    const page = await open((await serve(packagePages(user, { headers }))).url)
    const arrived = incoming.next()
    const path = await page.evaluate(dialWithoutUdp, String(await peer.ticket()))
    assert.deepEqual(path, { kind: 'webtransport', tcp: true })
    const connection: Anypath.Connection = (await arrived).value
    assert.deepEqual([connection.paths[0]?.kind, connection.paths[0]?.tcp], ['webtransport', true])
    const started = performance.now()
    const received = receiveFile(connection)
    assert.equal(await page.evaluate(sendFileInPage, FILE_BYTES), await received)
    const upMs = performance.now() - started
    const receiving = page.evaluate(receiveFileInPage)
    const sent = await sendFile(connection, FILE_BYTES)
    assert.equal(await receiving, sent)
    const downMs = performance.now() - started - upMs
    const mbs = (ms: number) => (FILE_BYTES / 1000 / ms).toFixed(1)
    console.log(`# ${engine}: ${mbs(upMs)} MB/s up, ${mbs(downMs)} down, hashing included`)
    const { closed } = connection
    await page.evaluate(closePeerInPage)
    assert.deepEqual(await closed, { closeCode: 5, reason: 'done' })
  } finally {
    await peer.close()
  }
})
