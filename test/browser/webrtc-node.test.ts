// time limit: 900 s
// network: a namespace, where browsers find an address that is not the loopback's

import assert from 'node:assert/strict'
import { after } from 'node:test'
import type { Page } from 'playwright-core'
import type * as Anypath from '../../src/index.js'
import {
  channelStats,
  closeTab,
  dialTab,
  killChannels,
  pathsOfTab,
  receiveInTab,
  sendInTab,
  serveTab,
  watchPeerConnections,
} from './harness/channel.js'
import { type BrowserTest, testInBrowsers } from './harness/in-browsers.js'
import { projectWith, userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { inNode, policyFor, receiveFile, sendFile, startRelay, until } from './harness/relayed.js'

const FILE_BYTES = 64 << 20

const IMPLEMENTATIONS = ['built-in', 'node-datachannel', '@roamhq/wrtc'] as const
type Implementation = (typeof IMPLEMENTATIONS)[number]

const user = await userProject()
const packages = new Map<Implementation, typeof Anypath>()
for (const name of IMPLEMENTATIONS)
  packages.set(name, await inNode(name === 'built-in' ? user : await projectWith(user, name)))
/** It outlives the pages: of a relay that has gone they say that it can't be reached. */
const relay = await startRelay(user)
after(() => relay.close())

/** A Node peer that can make channels, and listens for no WebTransport sessions, for the time of a test. */
async function withPeer(
  name: Implementation,
  use: (peer: Anypath.Peer, next: () => Promise<Anypath.Connection>) => Promise<void>,
): Promise<void> {
  const { Peer } = packages.get(name) as typeof Anypath
  const peer = await Peer.create({
    alpns: ['test/1'],
    relays: [relay.url],
    lan: false,
    portMapping: false,
    webRtc: true,
  })
  const incoming = peer.incoming[Symbol.asyncIterator]()
  try {
    await peer.online()
    await use(peer, async () => (await incoming.next()).value)
  } finally {
    await peer.close()
  }
}

async function openTab({ serve, open }: BrowserTest): Promise<Page> {
  const page = await open((await serve(packagePages(user, { headers: policyFor([relay.url]) }))).url)
  await page.evaluate(watchPeerConnections, {})
  return page
}

const kindOf = ({ paths }: Anypath.Connection) => paths[0]?.kind
const bothUse = (page: Page, connection: Anypath.Connection, kind: string) => async () =>
  kindOf(connection) === kind && (await page.evaluate(pathsOfTab)).kinds[0] === kind

async function transferBothWays(page: Page, connection: Anypath.Connection): Promise<[upMs: number, downMs: number]> {
  const began = performance.now()
  const received = receiveFile(connection)
  assert.equal(await page.evaluate(sendInTab, FILE_BYTES), await received)
  const turned = performance.now()
  const receiving = page.evaluate(receiveInTab)
  const sent = await sendFile(connection, FILE_BYTES)
  assert.equal((await receiving).hash, sent)
  return [turned - began, performance.now() - turned]
}

const mbs = (ms: number) => (FILE_BYTES / 1000 / ms).toFixed(1)

for (const name of IMPLEMENTATIONS) {
  testInBrowsers(
    `a page that dials Node over a relay moves to a channel of ${name}, and 64 MiB go both ways`,
    (browser) =>
      withPeer(name, async (peer, next) => {
        const page = await openTab(browser)
        const arrived = next()
        await page.evaluate(dialTab, { relay: relay.url, ticket: String(await peer.ticket()) })
        const connection = await arrived
        const directMs = await until('both are direct', bothUse(page, connection, 'webrtc'))
        const before = relay.metrics().bytesReceived
        const took = await transferBothWays(page, connection)
        console.log(
          `# ${browser.engine}, ${name}: direct after ${directMs.toFixed(0)} ms, ${took.map(mbs)} MB/s up and down`,
        )
        assert.ok(relay.metrics().bytesReceived - before < FILE_BYTES / 100, 'the relay has carried the file')
        const { open, bytesSent, bytesReceived } = await page.evaluate(channelStats)
        assert.equal(open, 1)
        assert.ok(bytesSent > FILE_BYTES && bytesReceived > FILE_BYTES, `${bytesSent} sent, ${bytesReceived} received`)
        await page.evaluate(closeTab)
        await connection.closed.catch(() => {})
        await until('no channel is left', async () => (await page.evaluate(channelStats)).open === 0)
      }),
  )
}

testInBrowsers('a page that Node dials is asked for a channel, and one that dies is followed by another', (browser) =>
  withPeer('built-in', async (peer) => {
    const page = await openTab(browser)
    const ticket = await page.evaluate(serveTab, { relay: relay.url })
    const connection = await peer.connect(ticket, { alpn: 'test/1' })
    assert.equal(kindOf(connection), 'relay')
    const directMs = await until('both are direct', bothUse(page, connection, 'webrtc'))
    console.log(`# ${browser.engine}: direct after ${directMs.toFixed(0)} ms`)
    const received = receiveFile(connection)
    const sent = page.evaluate(sendInTab, FILE_BYTES)
    for (const task of [received, sent]) task.catch(() => {})
    const arrived = async () => (await connection.getStats()).bytesReceived
    await until('a quarter has arrived', async () => (await arrived()) > FILE_BYTES / 4)
    assert.equal(await page.evaluate(killChannels), 1)
    assert.ok((await arrived()) < FILE_BYTES, 'the file had gone already')
    assert.equal(await sent, await received)
    await until('both are direct again', bothUse(page, connection, 'webrtc'))
  }),
)
