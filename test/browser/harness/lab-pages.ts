import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import type { Client, Laboratory } from '../../natlab/laboratory.js'
import { launchChromiumBy } from './engines.js'
import type { UserProject } from './package.js'
import { packagePages } from './pages.js'

/** Browsers hold it to be a secure context. Nobody answers there: what pages ask for is given to them. */
const ORIGIN = 'http://localhost'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
}

/** Pages of the installed package in a Chromium of each host's own. */
export class LabPages implements AsyncDisposable {
  readonly #laboratory: Laboratory
  readonly #user: UserProject
  readonly #folder = mkdtempSync(join(tmpdir(), 'anypath-lab-pages-'))
  readonly #browsers: Browser[] = []

  constructor(laboratory: Laboratory, user: UserProject) {
    this.#laboratory = laboratory
    this.#user = user
  }

  async open(host: Client): Promise<Page> {
    const namespace = this.#laboratory.hosts.namespace(host)
    const browser = await launchChromiumBy((path) => {
      const script = join(this.#folder, host)
      writeFileSync(script, `#!/bin/sh\nexec ip netns exec ${namespace} ${path} "$@"\n`)
      chmodSync(script, 0o755)
      return script
    })
    this.#browsers.push(browser)
    const page = await browser.newPage()
    const { files = {} } = packagePages(this.#user)
    await page.route(`${ORIGIN}/**`, async (route) => {
      const path = new URL(route.request().url()).pathname
      const body =
        files[path] ?? (await readFile(join(this.#user.dist, path.replace(/^\/anypath\//, ''))).catch(() => ''))
      await route.fulfill({ body, contentType: TYPES[extname(path)] ?? 'application/octet-stream' })
    })
    await page.goto(`${ORIGIN}/index.html`)
    return page
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#browsers.map((browser) => browser.close()))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
