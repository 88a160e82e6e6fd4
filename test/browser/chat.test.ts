// time limit: 900 s
// network: a namespace, where browsers find an address that is not the loopback's

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Page } from 'playwright-core'
import { Running } from '../node/cli/command.js'
import { bytesOf, drop, enter, hears, say, sees, startChat } from './chat-demo.js'
import { ENGINES, launch, missing } from './harness/engines.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { until, within } from './harness/relayed.js'

const root = process.env.ANYPATH_ROOT ?? process.cwd()
const chat = await startChat()
after(() => chat.stop())
const folder = await mkdtemp(join(tmpdir(), 'anypath-chat-'))
after(() => rm(folder, { recursive: true, force: true }))
const axe = await readFile(createRequire(join(root, 'package.json')).resolve('axe-core/axe.min.js'), 'utf8')

const bot = (link: string, ...args: string[]): Running => {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env
  const command = join(root, 'dist', 'cli', 'anypath.mjs')
  const child = spawn(process.execPath, [command, 'chat', '--bind', '127.0.0.1', '--json', ...args, link], {
    env: { ...env, HOME: folder },
  })
  after(() => child.kill('SIGKILL'))
  return new Running(child)
}

testInBrowsers(
  'two tabs talk: names, presence, typing, the path with its time, and what was said before',
  async ({ open }) => {
    const ana = await open(chat.page)
    await enter(ana, 'Ana')
    const link = ana.url()
    assert.match(link, /#relay=http.*&room=[\w-]{32}$/)
    await ana.getByText('Nobody else is here yet').waitFor()
    await say(ana, 'anybody here?')
    const ben = await open(link)
    await ben.getByText('You are invited').waitFor()
    await enter(ben, 'Ben')
    await sees(ana, 'Ben')
    await hears(ben, 'anybody here?')
    await say(ben, 'yes, <b>me</b>')
    await hears(ana, 'yes, <b>me</b>')
    await ben.getByLabel('Your message').pressSequentially('typ')
    await ana.getByText('Ben is typing…').waitFor()
    await ana.locator('.member-detail', { hasText: /direct, WebRTC · [\d.]+ ms/ }).waitFor()
    assert.notEqual(await ana.locator('.member .sparkline polyline').getAttribute('points'), '')
    await ana.locator('.lane[data-use=selected]', { hasText: /WebRTC.*B\/s/ }).waitFor()
    const relay = ana.locator('.lane', { hasText: 'Relay' })
    await relay.waitFor()
    assert.notEqual(await relay.locator('.lane-selected').getAttribute('d'), '', 'it was in use before')
    await ana.getByText(/^WebRTC since \d/).waitFor()
  },
)

testInBrowsers('who asks how the own network is, is told, and is back in the room by a key', async ({ open }) => {
  const page = await open(chat.page)
  await enter(page, 'Ana')
  await page.getByRole('button', { name: 'Check my network' }).click()
  const dialog = page.getByRole('dialog', { name: 'Your network' })
  await dialog.getByRole('heading', { name: 'What was found' }).waitFor()
  await dialog.getByText(new URL(chat.relay).host).first().waitFor()
  assert.notEqual(await page.locator('#diagnosis-verdict').textContent(), '')
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'why')
})

testInBrowsers('somebody who closes the tab is shown as gone within two seconds', async ({ open }) => {
  const ana = await open(chat.page)
  await enter(ana, 'Ana')
  // Where the browser lets no farewell out, the relay tells that somebody has left it.
  const gone = ana.locator('.member:is([data-state=left], [data-state=silent], [data-state=reconnecting])')
  await within(2_000, async () => {
    const ben = await open(ana.url())
    await enter(ben, 'Ben')
    await sees(ana, 'Ben')
    const before = await gone.count()
    const closing = ben.close({ runBeforeUnload: false })
    const tookMs = await until('Ben is shown as gone', async () => (await gone.count()) > before)
    await closing
    return tookMs
  })
})

testInBrowsers(
  'a browser and a terminal talk, and a dropped file of 64 MiB arrives whole',
  async ({ open, engine }) => {
    const ana = await open(chat.page)
    await enter(ana, 'Ana')
    const inbox = join(folder, engine)
    const terminal = bot(ana.url(), '--name', 'terminal', '--save', inbox)
    await terminal.untilEvent('member', ({ name, state }) => name === 'Ana' && state === 'connected')
    terminal.child.stdin?.write('hello browser\n')
    await hears(ana, 'hello browser')
    await say(ana, 'hello terminal')
    await terminal.untilEvent('message', ({ text }) => text === 'hello terminal')
    const file = { name: 'large.bin', type: '', seed: 7, size: 64 * 1024 * 1024 }
    await drop(ana, file)
    const { path } = await terminal.untilEvent('file')
    const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
    assert.equal(hash(await readFile(path)), hash(bytesOf(file)))
    await ana.getByText('terminal has it').waitFor()
    await terminal.kill('SIGINT')
    await ana.locator('.notice', { hasText: 'terminal left' }).waitFor()
  },
)

const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

test('Chromium and Firefox talk, and a picture is shown when it is asked for', {
  skip: missing('chromium') || missing('firefox'),
}, async () => {
  const browsers = await Promise.all([launch('chromium'), launch('firefox')])
  try {
    const [ana, ben] = (await Promise.all(browsers.map((browser) => browser.newPage()))) as [Page, Page]
    await ana.goto(chat.room)
    await enter(ana, 'Ana')
    await ben.goto(chat.room)
    await enter(ben, 'Ben')
    await sees(ana, 'Ben')
    await sees(ben, 'Ana')
    await say(ana, 'hello Firefox')
    await hears(ben, 'hello Firefox')
    await say(ben, 'hello Chromium')
    await hears(ana, 'hello Chromium')
    const picture = { name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(PICTURE, 'base64') }
    await ana.locator('#file').setInputFiles(picture)
    await ana.locator('img.picture').waitFor()
    await ben.getByRole('button', { name: 'Show dot.png' }).click()
    await ben.locator('img.picture[alt="dot.png"]').waitFor()
    await ben.getByText('SHA-256 checked').waitFor()
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()))
  }
})

testInBrowsers('the keyboard alone is enough', async ({ open }) => {
  const ana = await open(chat.page)
  const { keyboard } = ana
  const focused = (): Promise<string> =>
    ana.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute('aria-label') || '')
  const tabTo = async (target: string, key = 'Tab'): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      await keyboard.press(key)
      if ((await focused()) === target) return
    }
    assert.fail(`${target} is never reached`)
  }
  assert.equal(await focused(), 'name')
  await keyboard.type('Ana')
  await keyboard.press('Enter')
  await ana.locator('#room').waitFor()
  await ana.waitForFunction(() => document.activeElement?.id === 'text')
  await keyboard.type('first')
  await keyboard.press('Shift+Enter')
  await keyboard.type('second')
  await keyboard.press('Enter')
  await hears(ana, 'first\nsecond')
  assert.equal(await focused(), 'text')

  const terminal = bot(ana.url(), '--name', 'terminal')
  await sees(ana, 'terminal')
  terminal.child.stdin?.write(`/file ${join(root, 'LICENSE-MIT')}\n`)
  await ana.getByRole('button', { name: 'Download LICENSE-MIT' }).waitFor()
  await tabTo('Download LICENSE-MIT', 'Shift+Tab')
  await keyboard.press('Enter')
  await ana.getByRole('link', { name: 'Save LICENSE-MIT' }).waitFor()
  assert.equal(await focused(), 'Save LICENSE-MIT', 'the focus is not lost')
  await tabTo('log', 'Shift+Tab')
  await tabTo('leave', 'Shift+Tab')
  await tabTo('copy', 'Shift+Tab')
  const outline = await ana.evaluate(() => getComputedStyle(document.activeElement as Element).outlineStyle)
  assert.equal(outline, 'solid', 'the focus is seen')
  await keyboard.press('Enter')
  await ana.getByRole('button', { name: /Copied|address bar/ }).waitFor()
  await keyboard.press('Shift+Tab')
  await ana.getByRole('link', { name: 'Skip to your message' }).waitFor()
  await keyboard.press('Enter')
  await ana.waitForFunction(() => document.activeElement?.id === 'text')
  await tabTo('leave', 'Shift+Tab')
  await keyboard.press('Enter')
  await ana.getByRole('heading', { name: 'A room of your own' }).waitFor()
  assert.equal(await focused(), 'name')
  await terminal.untilEvent('member', ({ state }) => state === 'left')
})

/** Waits until nothing moves: half way between two schemes a button has colours of neither. */
const settled = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    for (let running = document.getAnimations(); running.length > 0; running = document.getAnimations()) {
      await Promise.allSettled(running.map(({ finished }) => finished))
    }
  })

/** Runs axe in the page; what it finds, one line each. */
const violations = async (page: Page): Promise<string[]> => {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    interface Violation {
      id: string
      nodes: { target: string[] }[]
    }
    const found = await axe.run()
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`)
  })
}

for (const [name, width, height] of [
  ['a desktop', 1200, 800],
  ['a phone', 360, 640],
] as const) {
  testInBrowsers(
    `${name} shows every state without barriers and without scrolling sideways, in light and dark`,
    async (browser) => {
      const terminal = bot(chat.room, '--name', 'terminal with quite a long name')
      const profile = await browser.profile()
      const page = await browser.open(chat.page, profile)
      await page.setViewportSize({ width, height })
      const check = async (state: string): Promise<void> => {
        // A system's Firefox can't be told the scheme: there it is what the system has.
        for (const colorScheme of browser.engine === 'chromium' ? (['light', 'dark'] as const) : [null]) {
          if (colorScheme !== null) await page.emulateMedia({ colorScheme })
          await settled(page)
          assert.deepEqual(await violations(page), [], `${state}, ${colorScheme}`)
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert(wide <= 0, `${state}: ${wide} pixels too wide`)
      }
      await check('welcome')
      await enter(page, 'Ana')
      await check('empty')
      await page.getByRole('button', { name: 'Leave' }).click()
      await page.goto(chat.room)
      await enter(page, 'Ana')
      await sees(page, 'terminal')
      terminal.child.stdin?.write(`${'a-very-long-word-'.repeat(30)}\n/file ${join(root, 'README.md')}\n`)
      await page.getByRole('button', { name: 'Download README.md' }).waitFor()
      if (width < 500) await page.locator('#people-toggle').click()
      await check('active')
      await page.getByRole('button', { name: /Why am I relayed|Check my network/ }).click()
      await page.getByRole('heading', { name: 'Notes' }).waitFor()
      await check('diagnosis')
      await page.keyboard.press('Escape')
      await terminal.kill('SIGKILL')
      await page.locator('.member:not([data-state=connected], [data-state=self])').waitFor()
      await check('reconnecting')
    },
    { engines: name === 'a phone' ? ['chromium'] : ENGINES },
  )
}

testInBrowsers('a relay that is gone is said, and when it is back the room and its files go on', async (browser) => {
  browser.expectError(/WebSocket|fetch|ERR_CONNECTION_REFUSED|connect|NetworkError/i)
  const own = await startChat()
  const ports = ['--port', new URL(own.page).port, '--relay-port', new URL(own.relay).port]
  const ana = await browser.open(own.room)
  await enter(ana, 'Ana')
  const ben = await browser.open(own.room)
  await enter(ben, 'Ben')
  await sees(ana, 'Ben')
  const file = { name: 'large.bin', type: '', seed: 7, size: 16 * 1024 * 1024 }
  await drop(ana, file)
  await ben.getByRole('button', { name: 'Download large.bin' }).click()
  await ben.waitForFunction(() => Number(document.querySelector<HTMLProgressElement>('.file progress')?.value) > 0)
  await own.stop('SIGKILL')
  await ana.locator('#status', { hasText: /relay can’t be reached|Connecting to the relay/ }).waitFor()
  await say(ana, 'into the dark')
  const again = await startChat(ports)
  await hears(ben, 'into the dark')
  await say(ben, 'and back')
  await hears(ana, 'and back')
  await ana.locator('#status:empty').waitFor({ state: 'attached' })
  await ben.getByRole('link', { name: 'Save large.bin' }).waitFor({ timeout: 120_000 })
  await ben.getByText('SHA-256 checked').waitFor()
  await again.stop()
})
