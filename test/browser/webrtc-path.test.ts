// time limit: 900 s
// network: a namespace, where browsers find an address that is not the loopback's

import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { after } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import {
  accountOfTab,
  channelStats,
  closeTab,
  dialTab,
  killChannels,
  muteChannels,
  pathsOfTab,
  receiveInTab,
  sendInTab,
  serveTab,
  watchPeerConnections,
} from './harness/channel.js'
import type { EngineName } from './harness/engines.js'
import { type BrowserTest, testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { policyFor, type Relay, startRelay, until } from './harness/relayed.js'

const FILE_BYTES = 64 << 20

/** In a network of the test's own nothing else has it. */
const STUN_PORT = 3343

/** A relay brings what its STUN service has answered into its figures four times a second. */
const COUNTED_AFTER_MS = 1000

/** A busy machine takes a sixth of it. */
const TRANSFER_LIMIT_MS = 90_000

const user = await userProject()
/** It outlives the pages: of a relay that has gone they say that it can't be reached. */
const plainRelay = await startRelay(user)
after(() => plainRelay.close())
/** As `anypath relay` starts one, at an address from which browsers ask: from others than the loopback's Firefox does not ask that. */
const [address = '127.0.0.1'] = Object.values(networkInterfaces()).flatMap((all) =>
  (all ?? []).filter(({ internal, family }) => !internal && family === 'IPv4').map(({ address }) => address),
)
const withStun = await startRelay(user, STUN_PORT, { host: address, stunPort: STUN_PORT })
after(() => withStun.close())

/** Two pages with a connection; the second one has dialled. */
async function twoTabs(
  { serve, open, profile }: BrowserTest,
  {
    other,
    watch = {},
    options = {},
    relay = plainRelay,
  }: { other?: EngineName; watch?: { candidates?: boolean }; options?: object; relay?: Relay } = {},
): Promise<readonly [Page, Page]> {
  const { url } = await serve(packagePages(user, { headers: policyFor([relay.url]) }))
  const server = await open(url)
  const dialler = await open(url, await profile(other))
  for (const page of [server, dialler]) await page.evaluate(watchPeerConnections, watch)
  const ticket = await server.evaluate(serveTab, { relay: relay.url, options })
  const { kind } = await dialler.evaluate(dialTab, { relay: relay.url, ticket, options })
  assert.equal(kind, 'relay')
  await until('the server has it, too', async () => (await server.evaluate(pathsOfTab)).kinds.length > 0)
  return [server, dialler]
}

const uses = (kind: string, pages: readonly Page[]) => async () => {
  const tabs = await Promise.all(pages.map((page) => page.evaluate(pathsOfTab)))
  return tabs.every(({ kinds }) => kinds[0] === kind)
}

/** Sends a file; gives the seconds that it took. */
async function transfer(from: Page, to: Page): Promise<number> {
  const received = to.evaluate(receiveInTab)
  const sent = from.evaluate(sendInTab, FILE_BYTES)
  const arrived = await inTime([from, to], Promise.all([received, sent]))
  const [{ hash, ms }, expected] = arrived
  assert.equal(hash, expected)
  return ms / 1000
}

/** Fails with what both pages know when a transfer stands still. */
async function inTime<T>(pages: readonly Page[], work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = setTimeout(TRANSFER_LIMIT_MS, undefined, { signal: over.signal }).then(async () => {
    const accounts = await Promise.all(pages.map((page) => page.evaluate(accountOfTab)))
    throw new Error(`no transfer within ${TRANSFER_LIMIT_MS} ms:\n${accounts.join('\n')}`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    late.catch(() => {})
    over.abort()
  }
}

const relayedBytes = () => plainRelay.metrics().bytesReceived

async function leavesTheRelay(browser: BrowserTest, other?: EngineName): Promise<void> {
  const pages = await twoTabs(browser, { ...(other && { other }) })
  const [server, dialler] = pages
  const directMs = await until('both are direct', uses('webrtc', pages))
  const before = relayedBytes()
  const seconds = [await transfer(server, dialler), await transfer(dialler, server)]
  const rates = seconds.map((took) => (FILE_BYTES / 1e6 / took).toFixed(1))
  console.log(`# ${browser.engine}, ${other ?? browser.engine}: direct after ${directMs.toFixed(0)} ms, ${rates} MB/s`)
  assert.ok(relayedBytes() - before < FILE_BYTES / 100, 'the relay has carried the file')
  for (const page of pages) {
    const { open, bytesSent, bytesReceived } = await page.evaluate(channelStats)
    assert.equal(open, 1)
    assert.ok(bytesSent > FILE_BYTES && bytesReceived > FILE_BYTES, `${bytesSent} sent, ${bytesReceived} received`)
  }
  await dialler.evaluate(closeTab)
  await until('no channel is left', async () => {
    const stats = await Promise.all(pages.map((page) => page.evaluate(channelStats)))
    return stats.every(({ open }) => open === 0)
  })
}

testInBrowsers('two pages leave the relay for a data channel, and 64 MiB go both ways', (browser) =>
  leavesTheRelay(browser),
)

testInBrowsers(
  'so do pages of two browsers, whichever dials',
  async (browser) => leavesTheRelay(browser, browser.engine === 'chromium' ? 'firefox' : 'chromium'),
  { with: 'firefox' },
)

/** Has something done to the channel in mid-transfer: the connection goes on over the relay, and over another channel. */
async function survives(browser: BrowserTest, harm: (dialler: Page) => Promise<number>): Promise<void> {
  const pages = await twoTabs(browser)
  const [server, dialler] = pages
  await until('both are direct', uses('webrtc', pages))
  let isDone = false
  const done = transfer(dialler, server).finally(() => {
    isDone = true
  })
  done.catch(() => {})
  const arrived = async () => (await server.evaluate(channelStats)).bytesReceived
  await until('a quarter has arrived', async () => (await arrived()) > FILE_BYTES / 4)
  assert.equal(await harm(dialler), 1)
  assert.ok(!isDone, 'the file had gone already')
  await done
  const { selected } = await dialler.evaluate(pathsOfTab)
  assert.ok(selected.includes('relay'), String(selected))
  await until('both are direct again', uses('webrtc', pages))
}

testInBrowsers('a channel that dies in mid-transfer costs nothing but time, and another one follows', (browser) =>
  survives(browser, (dialler) => dialler.evaluate(killChannels)),
)

testInBrowsers('so does one that loses all that it is given', (browser) =>
  survives(browser, (dialler) => dialler.evaluate(muteChannels, { stuck: false })),
)

testInBrowsers('so does one that takes nothing more and never says so', (browser) =>
  survives(browser, (dialler) => dialler.evaluate(muteChannels, { stuck: true })),
)

testInBrowsers('where no channel can be made the connection stays relayed, and works', async (browser) => {
  const pages = await twoTabs(browser, { watch: { candidates: false } })
  await transfer(...pages)
  assert.deepEqual((await pages[1].evaluate(pathsOfTab)).selected, [])
})

testInBrowsers('STUN is asked at the relay, unless other servers are named, or none', async (browser) => {
  const asked = async (options: object) => {
    const before = withStun.metrics().stunAnswered
    const pages = await twoTabs(browser, { relay: withStun, options })
    await until('both are direct', uses('webrtc', pages))
    await setTimeout(COUNTED_AFTER_MS)
    return withStun.metrics().stunAnswered - before
  }
  assert.ok((await asked({})) > 0)
  assert.equal(await asked({ webRtc: { iceServers: [] } }), 0)
})

testInBrowsers('without direct paths no peer connection is made', async (browser) => {
  const pages = await twoTabs(browser, { options: { directPaths: false } })
  await transfer(...pages)
  for (const page of pages) assert.equal((await page.evaluate(channelStats)).open, 0)
})
