// time limit: 600 s

import assert from 'node:assert/strict'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import type * as Anypath from '../../src/index.js'
import { ENGINES } from './harness/engines.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { dialInPage, echoInPage, inNode, policyFor, startRelay, until } from './harness/relayed.js'
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

/** How a connection ended, as soon as it did. */
function endOf(connection: Anypath.Connection): { how: string } {
  const end = { how: '' }
  connection.closed.then(
    ({ reason }) => {
      end.how = `closed: ${reason}`
    },
    ({ code }) => {
      end.how = code
    },
  )
  return end
}

for (const { what, leave, engines } of [
  { what: 'is closed', leave: (page: Page) => page.close(), engines: ENGINES },
  // Firefox closes a page's WebSockets before it says that the page is being left.
  { what: 'is left for another', leave: leaveFor, engines: ['chromium'] as const },
]) {
  testInBrowsers(
    `a page that ${what} tells the other side within two seconds`,
    async ({ serve, open }) => {
      const page = await open((await serve(packagePages(user, { headers: policyFor([relay.url]) }))).url)
      const { node, ticket, next } = await echoing()
      try {
        const [connection] = await Promise.all([next(), page.evaluate(dialInPage, { relay: relay.url, ticket })])
        assert.equal(await page.evaluate(echoInPage, 'here'), 'here')
        const end = endOf(connection)
        const left = leave(page)
        const elapsedMs = await until(`the page ${what}, and the other side knows`, () => end.how !== '', 10_000)
        await left
        assert.equal(end.how, 'closed: the page was closed')
        assert(elapsedMs < 2000, `${elapsedMs} ms`)
      } finally {
        await node.close()
      }
    },
    { engines },
  )
}

testInBrowsers(
  'a tab that is frozen and resumed has the same connection',
  async ({ serve, browser }) => {
    const { url } = await serve(packagePages(user, { headers: policyFor([relay.url]) }))
    const tab = await openTab(browser, url)
    const { node, ticket, next } = await echoing()
    try {
      const [connection] = await Promise.all([next(), tab.run(dialInPage, { relay: relay.url, ticket })])
      assert.equal(await tab.run(echoInPage, 'before'), 'before')
      const [end, states] = [endOf(connection), [] as string[]]
      connection.on('state', ({ to }) => states.push(to))
      await tab.setLifecycle('frozen')
      await until('Node notices the silence', () => states.includes('recovering'), 20_000)
      await sleep(5000)
      await tab.setLifecycle('active')
      assert.equal(await tab.run(echoInPage, 'after'), 'after')
      await until('Node hears the page again', () => connection.state === 'relayed', 20_000)
      assert.equal(end.how, '')
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
