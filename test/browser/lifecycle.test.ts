// time limit: 600 s

import assert from 'node:assert/strict'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import type * as Anypath from '../../src/index.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { dialInPage, echoInPage, inNode, policyFor, startRelay, until, within } from './harness/relayed.js'
import { openTab } from './harness/tab.js'

const user = await userProject()
const { Peer } = await inNode(user)
const relay = await startRelay(user)
after(() => relay.close())

/** A Node peer that takes one connection after the other, and echoes. */
async function echoing(): Promise<{ node: Anypath.Peer; ticket: string; next(): Promise<Anypath.Connection> }> {
  const node = await Peer.create({ alpns: ['test/1'], relays: [relay.url], udp: { host: '127.0.0.1' } })
  await node.online()
  const incoming = node.incoming[Symbol.asyncIterator]()
  const next = async () => {
    const connection: Anypath.Connection = (await incoming.next()).value
    const echo = async () => {
      for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
        readable.pipeTo(writable).catch(() => {})
      }
    }
    echo().catch(() => {})
    return connection
  }
  return { node, ticket: String(await node.ticket()), next }
}

/** What is known of the other side: `lost` as soon as the connection is `recovering`, and how it ended as soon as it did. */
function watch(connection: Anypath.Connection): { lost: boolean; end: string } {
  const known = { lost: false, end: '' }
  connection.on('state', ({ to }) => {
    known.lost ||= to === 'recovering'
  })
  connection.closed.then(
    ({ reason }) => {
      known.end = `closed: ${reason}`
    },
    ({ code }) => {
      known.end = code
    },
  )
  return known
}

for (const { what, leave } of [
  { what: 'is closed', leave: (page: Page) => page.close() },
  { what: 'is left for another', leave: leaveFor },
]) {
  testInBrowsers(`a page that ${what} is known to be gone within two seconds`, async ({ engine, serve, open }) => {
    const { url } = await serve(packagePages(user, { headers: policyFor([relay.url]) }))
    const { node, ticket, next } = await echoing()
    const leaveOnce = async () => {
      const page = await open(url)
      const [connection] = await Promise.all([next(), page.evaluate(dialInPage, { relay: relay.url, ticket })])
      assert.equal(await page.evaluate(echoInPage, 'here'), 'here')
      const known = watch(connection)
      const left = leave(page)
      const tookMs = await until(`the page ${what}, and that is known`, () => known.lost || known.end !== '', 10_000)
      await left
      // Firefox closes a page's WebSockets while it tells the page, and often before; then the relay tells of it.
      if (engine !== 'firefox' || !known.lost) assert.equal(known.end, 'closed: the page was closed')
      return tookMs
    }
    try {
      await within(2000, leaveOnce)
    } finally {
      await node.close()
    }
  })
}

testInBrowsers('a page whose worker has the peer is missed within two seconds of its end', async ({ serve, open }) => {
  const files = {
    '/worker.js': `
      import { Peer } from '/anypath/browser.mjs'
      onmessage = async ({ data: { relay, ticket } }) => {
        const peer = await Peer.create({ relays: [relay] })
        self.kept = [peer, await peer.connect(ticket, { alpn: 'test/1' })]
        postMessage('connected')
      }`,
  }
  const { url } = await serve(packagePages(user, { files, headers: policyFor([relay.url]) }))
  const { node, ticket, next } = await echoing()
  const closeOnce = async () => {
    const page = await open(url)
    const dialled = page.evaluate(
      async (given) => {
        const worker = new Worker('/worker.js', { type: 'module' })
        worker.postMessage(given)
        await new Promise((resolve) => {
          worker.onmessage = resolve
        })
      },
      { relay: relay.url, ticket },
    )
    const [connection] = await Promise.all([next(), dialled])
    const known = watch(connection)
    const closed = page.close()
    const tookMs = await until('the worker is missed', () => known.lost, 10_000)
    await closed
    return tookMs
  }
  try {
    await within(2000, closeOnce)
  } finally {
    await node.close()
  }
})

testInBrowsers(
  'a tab that is frozen and resumed has the same connection',
  async ({ serve, browser }) => {
    const { url } = await serve(packagePages(user, { headers: policyFor([relay.url]) }))
    const tab = await openTab(browser, url)
    const { node, ticket, next } = await echoing()
    try {
      const [connection] = await Promise.all([next(), tab.run(dialInPage, { relay: relay.url, ticket })])
      assert.equal(await tab.run(echoInPage, 'before'), 'before')
      const known = watch(connection)
      await tab.setLifecycle('frozen')
      await until('Node notices the silence', () => known.lost, 20_000)
      await sleep(5000)
      await tab.setLifecycle('active')
      assert.equal(await tab.run(echoInPage, 'after'), 'after')
      await until('Node hears the page again', () => connection.state === 'relayed', 20_000)
      assert.equal(known.end, '')
      assert.deepEqual(await tab.run(() => (globalThis as unknown as { wrong: string[] }).wrong, null), [])
    } finally {
      await node.close()
      await tab.close()
    }
  },
  { engines: ['chromium'] },
)

async function leaveFor(page: Page): Promise<void> {
  await page.goto(new URL('/watch.js', page.url()).href)
}
