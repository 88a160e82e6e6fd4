import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { ENGINES, type EngineName, launch, missing } from './engines.js'
import { type Site, type SiteContent, serveSite } from './site.js'

/** What a test gets: one browser, and what it opens there is closed with the test. */
export interface BrowserTest {
  readonly engine: EngineName
  readonly browser: Browser
  serve(content: SiteContent): Promise<Site>
  /** A profile of its own, of another browser if one is named: storage, locks and caches are not shared with another profile. */
  profile(of?: EngineName): Promise<BrowserContext>
  /** Opens a page, in a profile of its own unless one is given, and waits until it is loaded. */
  open(url: string, profile?: BrowserContext): Promise<Page>
  /** Takes it that the page reports an error that matches; every other one fails the test. */
  expectError(pattern: RegExp): void
}

/** Listens, as a page's first script, for what goes wrong in it and reaches no console. */
export const WATCH = `
globalThis.wrong = []
addEventListener('error', (event) => wrong.push(String(event.message)))
addEventListener('unhandledrejection', (event) => wrong.push('unhandled rejection: ' + event.reason))
addEventListener('securitypolicyviolation', (event) => wrong.push('blocked by ' + event.violatedDirective + ': ' + event.blockedURI))
`

/** A page whose scripts are all files, as a strict Content-Security-Policy wants it; serve WATCH as \`/watch.js\`. */
export function html(head: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>anypath</title><script src="/watch.js"></script>${head}</head><body></body></html>`
}

const running = new Map<EngineName, Promise<Browser>>()

function browserOf(engine: EngineName): Promise<Browser> {
  const found = running.get(engine) ?? launch(engine)
  running.set(engine, found)
  return found
}

after(async () => {
  for (const browser of running.values()) await (await browser.catch(() => undefined))?.close()
})

export interface BrowserTestOptions {
  /** @default all of them */
  readonly engines?: readonly EngineName[]
  /** Another browser that the test needs. */
  readonly with?: EngineName
  /** Why the test can't run on this machine. @default false */
  readonly skip?: string | false
}

/** A browser may stop answering whoever drives it: longer than any test takes, and than what a test waits for. */
const HUNG_MS = 110_000

/** Defines a test for each browser. It fails on any error that a page reports unless it was expected. */
export function testInBrowsers(
  name: string,
  body: (browser: BrowserTest) => Promise<void>,
  { engines = ENGINES, with: other, skip = false }: BrowserTestOptions = {},
): void {
  for (const engine of engines) {
    test(`${name} (${engine})`, {
      skip: skip || missing(engine) || (other !== undefined && missing(other)),
      timeout: 240_000,
    }, async (context) => {
      const first = once(engine, body, context)
      first.catch(() => {})
      const late = new AbortController()
      const hung = sleep(HUNG_MS, true, { signal: late.signal }).catch(() => false)
      const isHung = await Promise.race([first.then(() => false), hung]).finally(() => late.abort())
      if (!isHung) return
      context.diagnostic(`nothing for ${HUNG_MS} ms: once more, in other processes of the browsers`)
      for (const browser of running.values()) void browser.then((hanging) => hanging.close()).catch(() => {})
      running.clear()
      await once(engine, body, context)
    })
  }
}

async function once(
  engine: EngineName,
  body: (browser: BrowserTest) => Promise<void>,
  context: TestContext,
): Promise<void> {
  const running = await begin(engine)
  try {
    await body(running.browserTest)
  } catch (thrown) {
    for (const error of await running.end()) context.diagnostic(error)
    throw thrown
  }
  assert.deepEqual(await running.end(), [])
}

interface Running {
  readonly browserTest: BrowserTest
  /** Closes everything; gives the errors that nobody expected. */
  end(): Promise<string[]>
}

async function begin(engine: EngineName): Promise<Running> {
  const browser = await browserOf(engine)
  const sites: Site[] = []
  const profiles: BrowserContext[] = []
  const pages: Page[] = []
  const errors: string[] = []
  const expected: RegExp[] = []
  const profile = async (of = engine) => {
    const created = await (await browserOf(of)).newContext()
    profiles.push(created)
    return created
  }
  const browserTest: BrowserTest = {
    engine,
    browser,
    profile,
    serve: async (content) => {
      const site = await serveSite({ ...content, files: { '/watch.js': WATCH, ...content.files } })
      sites.push(site)
      return site
    },
    open: async (url, given) => {
      const page = await (given ?? (await profile())).newPage()
      pages.push(page)
      page.on('pageerror', (error) => errors.push(`page error: ${error.message}`))
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(`console: ${message.text()}`)
      })
      await page.goto(url, { waitUntil: 'load' })
      return page
    },
    expectError: (pattern) => void expected.push(pattern),
  }
  const end = async () => {
    for (const page of pages) if (!page.isClosed()) errors.push(...(await quietErrors(page)))
    for (const created of profiles) await created.close()
    for (const site of sites) await site.close()
    return errors.filter((error) => !expected.some((pattern) => pattern.test(error)))
  }
  return { browserTest, end }
}

/** What the page's first script heard of. A page that can't be asked has been closed or has crashed, which its test notices. */
async function quietErrors(page: Page): Promise<string[]> {
  return page.evaluate(() => (globalThis as { wrong?: string[] }).wrong ?? []).catch(() => [])
}
