import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, firefox } from 'playwright-core'

/** Programs as Debian and Google install them; otherwise Playwright's own are taken. */
const INSTALLED = {
  Chromium: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  Firefox: ['/usr/bin/firefox-esr', '/usr/bin/firefox'],
}
const CHROMIUM_FLAGS = ['--headless=new', '--disable-gpu', '--no-first-run', '--disable-background-networking']
const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' }
const PAGES = fileURLToPath(new URL('../pages/', import.meta.url))
const SIMPLE_PEER = fileURLToPath(new URL('../node_modules/simple-peer/simplepeer.min.js', import.meta.url))

export const BROWSERS = Object.keys(INSTALLED)

/** Starts a browser; whoever starts it closes it. */
export function launchBrowser(name) {
  const type = name === 'Chromium' ? chromium : firefox
  const installed = INSTALLED[name].find((path) => existsSync(path))
  const executablePath = installed ?? type.executablePath()
  if (!existsSync(executablePath)) throw new Error(`${name} is not installed`)
  if (name === 'Chromium') return type.launch({ executablePath, args: CHROMIUM_FLAGS })
  return type.launch({ executablePath, ...(installed && { channel: 'moz-firefox' }) })
}

/**
 * Serves a page for each contender, `/NAME.html`, whose scripts browsers may keep for an hour, and the built package beside it.
 *
 * @param {string} packageFile any file of the package's `dist`
 */
export async function servePages(packageFile) {
  const dist = dirname(packageFile)
  const server = createServer(async ({ url }, response) => {
    const path = new URL(url, 'http://page').pathname
    try {
      const headers = { 'content-type': TYPES[extname(path)] ?? 'text/html', 'cache-control': 'max-age=3600' }
      if (extname(path) === '.html') {
        const name = path.slice(1, -'.html'.length)
        return response
          .writeHead(200, { ...headers, 'cache-control': 'no-store' })
          .end(`<!doctype html><title>${name}</title><script type="module" src="/${name}.js"></script>`)
      }
      const file = path.startsWith('/anypath/') ? join(dist, path.slice('/anypath/'.length)) : join(PAGES, path)
      const bytes = await readFile(path === '/simple-peer.min.js' ? SIMPLE_PEER : file)
      response.writeHead(200, headers).end(bytes)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${server.address().port}`, close }
}

/** Opens a contender's page in a profile; it serves. */
export async function openServing(profile, site, name, given) {
  const page = await profile.newPage()
  await page.goto(`${site.url}/${name}.html`)
  await page.waitForFunction(() => globalThis.contender !== undefined)
  return { page, address: await page.evaluate((given) => globalThis.contender.serve(given), given) }
}

/** Opens a contender's page in a profile; it dials, and the time until its first message was answered is `firstMessageMs`. */
export async function openDialling(profile, site, name, given) {
  const page = await profile.newPage()
  await page.goto(`${site.url}/${name}.html?first=${encodeURIComponent(JSON.stringify(given))}`)
  await page.waitForFunction(() => globalThis.firstMessageMs !== undefined)
  return { page, firstMessageMs: await page.evaluate(() => globalThis.firstMessageMs) }
}
