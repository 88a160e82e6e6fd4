// time limit: 300 s
// network: a namespace, where browsers find an address that is not the loopback's

import assert from 'node:assert/strict'
import { after } from 'node:test'
import type { Page } from 'playwright-core'
import {
  channelStats,
  dialTab,
  pathsOfTab,
  receiveInTab,
  sendInTab,
  serveTab,
  watchPeerConnections,
} from './harness/channel.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { policyFor, startRelay, until } from './harness/relayed.js'
import { ownId, peersInWorker, workerPages } from './harness/worker.js'

const FILE_BYTES = 8 << 20

const user = await userProject()
const relay = await startRelay(user)
after(() => relay.close())
const site = () => workerPages(user, { headers: policyFor([relay.url]) })

const uses = (kind: string, pages: readonly Page[]) => async () => {
  const tabs = await Promise.all(pages.map((page) => page.evaluate(pathsOfTab)))
  return tabs.every(({ kinds }) => kinds[0] === kind)
}

async function transfer(from: Page, to: Page, bytes = FILE_BYTES): Promise<string> {
  const [{ hash, ms }, expected] = await Promise.all([to.evaluate(receiveInTab), from.evaluate(sendInTab, bytes)])
  assert.equal(hash, expected)
  return (bytes / 1e3 / ms).toFixed(1)
}

testInBrowsers(
  'a peer in a worker leaves the relay by a channel of its window',
  async ({ serve, open, profile, engine }) => {
    const { url } = await serve(site())
    const [server, dialler] = [await open(url), await open(url, await profile())]
    for (const page of [server, dialler]) await page.evaluate(watchPeerConnections, {})
    await server.evaluate(peersInWorker, { shared: false })
    const ticket = await server.evaluate(serveTab, { relay: relay.url })
    await dialler.evaluate(dialTab, { relay: relay.url, ticket })
    await until('the server has it, too', async () => (await server.evaluate(pathsOfTab)).kinds.length > 0)
    const directMs = await until('both are direct', uses('webrtc', [server, dialler]))
    const rates = [await transfer(dialler, server), await transfer(server, dialler)]
    console.log(`# ${engine}: direct after ${directMs.toFixed(0)} ms, into the worker and out of it ${rates} MB/s`)
    const { open: lent, bytesSent } = await server.evaluate(channelStats)
    assert.equal(lent, 1)
    assert.ok(bytesSent > FILE_BYTES, String(bytesSent))
  },
)

/** Waits until a page has a connection, and gives it something to do with it. */
const hasConnection = (page: Page) => async () => (await page.evaluate(pathsOfTab)).kinds.length > 0

testInBrowsers(
  'tabs share the peer of a SharedWorker, and when the one is closed whose channel it has, another one lends',
  async ({ serve, open, profile, engine }) => {
    const { url } = await serve(site())
    const one = await profile()
    const [first, second, remote] = [await open(url, one), await open(url, one), await open(url, await profile())]
    for (const page of [first, second, remote]) await page.evaluate(watchPeerConnections, {})
    for (const page of [first, second]) await page.evaluate(peersInWorker, { shared: true })
    const ticket = await remote.evaluate(serveTab, { relay: relay.url })
    // Each has a connection of its own, by one peer; the channel is the window's that attached last.
    await second.evaluate(dialTab, { relay: relay.url, ticket })
    await until('the remote has it, too', hasConnection(remote))
    await until('both are direct', uses('webrtc', [second, remote]))
    await first.evaluate(dialTab, { relay: relay.url, ticket })
    const ids = await Promise.all([first, second].map((page) => page.evaluate(ownId)))
    assert.deepEqual(ids[0], ids[1])
    await until('the first one is direct', uses('webrtc', [first, remote]))
    assert.deepEqual(await lent([first, second]), [0, 1])
    const sent = first.evaluate(sendInTab, FILE_BYTES)
    const received = remote.evaluate(receiveInTab)
    const arrived = async () => (await remote.evaluate(channelStats)).bytesReceived
    await until('a quarter has arrived', async () => (await arrived()) > FILE_BYTES / 4)
    await second.close()
    const closedAt = performance.now()
    const next = until('the other tab lends', async () => (await lent([first]))[0] === 1)
    assert.equal((await received).hash, await sent)
    await next
    await until('both are direct again', uses('webrtc', [first, remote]))
    console.log(
      `# ${engine}: direct by the other tab ${(performance.now() - closedAt).toFixed(0)} ms after the first was closed`,
    )
  },
)

const lent = (pages: readonly Page[]) =>
  Promise.all(pages.map(async (page) => (await page.evaluate(channelStats)).open))
