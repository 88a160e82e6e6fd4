// time limit: 900 s

import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { testInBrowsers, WATCH } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { type Created, STRICT_POLICY } from './harness/pages.js'

const root = process.env.ANYPATH_ROOT ?? process.cwd()
const tools = join(root, 'test/packaging/bundlers')
const run = promisify(execFile)
const user = await userProject()
const app = join(user.folder, 'app')

before(async () => {
  const { installLocked } = await import(pathToFileURL(join(root, 'scripts/pack.mjs')).href)
  await installLocked(tools)
  await cp(join(tools, 'app'), app, { recursive: true })
  await mkdir(join(app, 'public'))
  await writeFile(join(app, 'public', 'watch.js'), WATCH)
  await writeFile(join(app, 'public', 'favicon.ico'), '')
})

for (const bundler of ['esbuild', 'vite', 'webpack']) {
  const out = join(user.folder, `out-${bundler}`)
  let built: Promise<unknown> | undefined

  testInBrowsers(`what ${bundler} makes runs, in a page and its worker, under a strict policy`, async (browser) => {
    built ??= run(process.execPath, [join(tools, 'bundle.mjs'), bundler, app, out])
    await built
    const headers = { 'content-security-policy': STRICT_POLICY }
    const { url } = await browser.serve({ folders: { '/': out }, files: { '/watch.js': WATCH }, headers })
    await assertRuns(await browser.open(url))
  })
}

const servers: ChildProcess[] = []
after(() => {
  for (const server of servers) server.kill()
})

testInBrowsers("Vite's development server serves it as it is", async ({ open }) => {
  const server = spawn(process.execPath, [join(tools, 'bundle.mjs'), 'vite-dev', app], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  servers.push(server)
  const [url] = await new Promise<string[]>((resolve, reject) => {
    server.stdout?.setEncoding('utf8').once('data', (text: string) => resolve(text.split('\n')))
    server.once('exit', () => reject(new Error('it ended')))
  })
  await assertRuns(await open(url ?? ''))
  server.stdin?.end()
  await new Promise((resolve) => server.once('exit', resolve))
})

async function assertRuns(page: Page): Promise<void> {
  const results = await page.evaluate(async () => {
    const { fromPage, fromWorker } = globalThis as unknown as Record<string, Promise<Created & { runsIn: string }>>
    return [await fromPage, await fromWorker]
  })
  for (const result of results) {
    assert.match(result?.id ?? '', /^[0-9a-f]{64}$/)
    assert.deepEqual([result?.dial, result?.closed], ['NoRelayConfigured', 'PeerClosed'])
  }
  assert.deepEqual(
    results.map((result) => result?.runsIn),
    ['page', 'worker'],
  )
}
