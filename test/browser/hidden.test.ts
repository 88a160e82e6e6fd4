// time limit: 1000 s
// beside others: it waits most of the time

import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import type * as Anypath from '../../src/index.js'
import { ENGINES, type EngineName, launchThrottling, missing } from './harness/engines.js'
import { WATCH } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import { echoInPage, inNode, policyFor, serveInPage, startRelay, until, within } from './harness/relayed.js'
import { serveSite } from './harness/site.js'
import { openTab, type Tab } from './harness/tab.js'

/** How long the tabs are hidden: ten minutes are promised, and three show the same (`ANYPATH_HIDDEN_MINUTES=10`). */
const HIDDEN_MS = Number(process.env.ANYPATH_HIDDEN_MINUTES ?? 3) * 60_000
/** A request to a hidden tab is answered within this time. */
const ANSWER_MS = 5000
/** A timer of a hidden tab that is later than this by itself shows that the browser slows them. */
const SLOWED_MS = 30_000

const user = await userProject()
const { Peer } = await inNode(user)
const relay = await startRelay(user)
after(() => relay.close())

type HiddenTab = Pick<Tab, 'run' | 'show'>

/** What a page sees of its own clocks. */
interface Clocks {
  /** The longest time that a timer of 100 ms took. */
  slowestTimerMs: number
  /** How often a worker told the time. */
  ticks: number
}

// Both browsers at once: most of the time is waiting.
describe('hidden tabs', { concurrency: true }, () => {
  for (const engine of ENGINES) {
    test(`a hidden tab stays connected and answers, with a worker that ticks and without (${engine})`, {
      skip: missing(engine),
    }, async (context) => {
      const browser = await launchThrottling(engine)
      context.after(() => browser.close())
      const { open, front } = await opener(engine, browser)
      const headers = policyFor([relay.url])
      const policy = `${headers['content-security-policy']}; worker-src 'none'`
      const tabs = []
      for (const [name, policies] of [
        ['with a worker', headers],
        ['without', { 'content-security-policy': policy }],
      ] as const) {
        const site = await serveSite(packagePages(user, { files: { '/watch.js': WATCH }, headers: policies }))
        context.after(() => site.close())
        tabs.push({ name, tab: await open(site.url) })
      }
      const connected = []
      for (const { name, tab } of tabs) connected.push({ name, tab, ...(await connect(tab)) })
      await front()
      for (const { tab } of tabs) await until('the tab is hidden', () => tab.run(() => document.hidden, null))
      const results = await Promise.all(connected.map(({ connection }) => stayHidden(connection)))
      const clocks = await Promise.all(tabs.map(({ tab }) => tab.run(clocksInPage, null)))
      for (const [index, { name, tab, connection, states }] of connected.entries()) {
        const { slowestTimerMs, ticks } = clocks[index] as Clocks
        const told = `${name}: slowest answer ${results[index]?.toFixed(0)} ms, slowest timer ${slowestTimerMs.toFixed(0)} ms, ${ticks} ticks`
        context.diagnostic(told)
        assert(slowestTimerMs > SLOWED_MS, told)
        if (name === 'without') assert.equal(ticks, 0, told)
        else assert(ticks > HIDDEN_MS / 4000, told)
        // A machine that is busy for seconds puts a connection in doubt, which ends with the next answer.
        // The peer in Node looks for a direct path, which there is none to a page; the relayed one stays as it is.
        const bad = states.filter((state) => !['recovering', 'relayed', 'traversing'].includes(state))
        assert.deepEqual(bad, [], `${name}: the connection has gone through ${states}`)
        await tab.show()
        await until('the tab is seen', () => tab.run(() => !document.hidden, null))
        assert.equal(await tab.run(echoInPage, 'seen again'), 'seen again', `${name}: the page has the same connection`)
        assert.equal(await echoed(connection, 'here, too'), 'here, too')
      }
    })
  }
})

interface Window {
  /** Opens a page in a tab of its own, in front of the others. */
  open(url: string): Promise<HiddenTab>
  /** Hides them all behind another one. */
  front(): Promise<void>
}

async function opener(engine: EngineName, browser: Browser): Promise<Window> {
  if (engine === 'chromium') {
    const open = (url: string) => openTab(browser, url)
    return { open, front: async () => (await open('about:blank')).show() }
  }
  // Playwright gives each of its pages a window.
  const profile = await browser.newContext()
  const first = await profile.newPage()
  const open = async (url: string): Promise<HiddenTab> => {
    const opened = profile.waitForEvent('page')
    await first.evaluate((given) => void globalThis.open(given, '_blank', 'noopener'), url)
    const page = await opened
    await page.waitForLoadState()
    return { run: (call, argument) => page.evaluate(call as never, argument), show: () => page.bringToFront() }
  }
  return { open, front: () => first.bringToFront() }
}

interface Connected {
  readonly connection: Anypath.Connection
  /** The states that it went through since. */
  readonly states: readonly string[]
}

/** A Node peer of its own that dials the page, and echoes what the page sends. */
async function connect(tab: HiddenTab): Promise<Connected> {
  await tab.run(watchClocksInPage, null)
  const node = await Peer.create({ relays: [relay.url], udp: { host: '127.0.0.1' } })
  after(() => node.close())
  const connection = await node.connect(await tab.run(serveInPage, relay.url), { alpn: 'test/1', timeoutMs: 30_000 })
  const states: string[] = []
  connection.on('state', ({ to }) => states.push(to))
  const echo = async () => {
    for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
      readable.pipeTo(writable).catch(() => {})
    }
  }
  echo().catch(() => {})
  assert.equal(await echoed(connection, 'while it is seen'), 'while it is seen')
  return { connection, states }
}

/** Asks the page now and then, after long silences, too. Gives how long the slowest answer took, in milliseconds. */
async function stayHidden(connection: Anypath.Connection): Promise<number> {
  const end = performance.now() + HIDDEN_MS
  let slowestMs = 0
  for (let asked = 0; performance.now() < end; asked += 1) {
    const pauseMs = asked % 3 === 0 ? 70_000 : 5_000
    await sleep(Math.max(0, Math.min(pauseMs, end - performance.now())))
    const ask = async () => {
      const started = performance.now()
      assert.equal(await echoed(connection, `request ${asked}`), `request ${asked}`)
      slowestMs = Math.max(slowestMs, performance.now() - started)
      return performance.now() - started
    }
    await within(ANSWER_MS, ask)
  }
  return slowestMs
}

async function echoed(connection: Anypath.Connection, text: string): Promise<string> {
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  await writer.write(new TextEncoder().encode(text))
  await writer.close()
  return new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).text()
}

/** Runs in a page, before it has a peer: measures a timer of the page, and counts what its workers say. */
function watchClocksInPage(): void {
  const clocks: Clocks = { slowestTimerMs: 0, ticks: 0 }
  Object.assign(globalThis, { clocks })
  const again = (since: number) =>
    setTimeout(() => {
      clocks.slowestTimerMs = Math.max(clocks.slowestTimerMs, performance.now() - since)
      again(performance.now())
    }, 100)
  again(performance.now())
  globalThis.Worker = class extends Worker {
    constructor(...given: ConstructorParameters<typeof Worker>) {
      super(...given)
      this.addEventListener('message', () => {
        clocks.ticks += 1
      })
    }
  }
}

/** Runs in a page. */
function clocksInPage(): Clocks {
  return (globalThis as unknown as { clocks: Clocks }).clocks
}
