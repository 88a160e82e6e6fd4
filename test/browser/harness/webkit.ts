import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const DRIVER = '/usr/bin/WebKitWebDriver'
const SCREEN = '/usr/bin/Xvfb'
const START_LIMIT_MS = 30_000

/** WebKit, driven by W3C WebDriver: Playwright's own build of it can't be had from a distribution. */
export interface WebKit {
  /** Opens a page whose script makes the package the global `anypath`, and waits for that. */
  open(url: string): Promise<void>
  /** Runs the body of an async function in the page. It may not take longer than a minute. */
  run<T>(body: string): Promise<T>
  close(): Promise<void>
}

/** Why tests in WebKit can't run on this machine, or false. */
export function webkitMissing(): string | false {
  const absent = [DRIVER, SCREEN, browser()].filter((path) => !existsSync(path))
  return absent.length > 0 && `no ${absent.join(', ')} (Debian: webkit2gtk-driver, xvfb)`
}

/** Starts WebKit on a screen of its own. */
export async function launchWebkit(): Promise<WebKit> {
  const children: ChildProcess[] = []
  const endAll = async () => {
    for (const child of children.reverse()) await ended(child)
  }
  try {
    // Xvfb takes a free display and says which.
    const screen = spawn(SCREEN, ['-displayfd', '1', '-screen', '0', '1024x768x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    children.push(screen)
    const display = `:${(await firstLine(screen)).trim()}`
    const port = await freePort()
    const env = { ...process.env, DISPLAY: display, WEBKIT_DISABLE_COMPOSITING_MODE: '1' }
    children.push(spawn(DRIVER, [`--port=${port}`, '--host=127.0.0.1'], { stdio: 'ignore', env }))
    const session = await startSession(`http://127.0.0.1:${port}`)
    const run = <T>(body: string) =>
      session('POST', '/execute/async', { script: asCallback(body), args: [] }) as Promise<T>
    return {
      open: async (url) => {
        await session('POST', '/url', { url })
        // The driver does not always wait for module scripts.
        while (!(await run('return "anypath" in globalThis'))) await sleep(50)
      },
      run,
      close: async () => {
        await session('DELETE', '').catch(() => {})
        await endAll()
      },
    }
  } catch (thrown) {
    await endAll()
    throw thrown
  }
}

type Session = (method: string, path: string, body?: unknown) => Promise<unknown>

async function startSession(driver: string): Promise<Session> {
  const options = { binary: browser(), args: ['--automation'] }
  const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': options, timeouts: { script: 60_000 } } }
  const deadline = performance.now() + START_LIMIT_MS
  while (!(await fetch(`${driver}/status`).then(isOk, () => false))) {
    if (performance.now() > deadline) throw new Error('WebKitWebDriver does not answer')
    await sleep(50)
  }
  const { sessionId } = (await command('POST', `${driver}/session`, { capabilities })) as { sessionId: string }
  return (method, path, body) => command(method, `${driver}/session/${sessionId}${path}`, body)
}

async function command(method: string, url: string, body?: unknown): Promise<unknown> {
  const response = await fetch(url, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const { value } = (await response.json()) as { value: { error?: string; message?: string } | null }
  if (!response.ok) throw new Error(`WebDriver: ${value?.error}: ${value?.message}`)
  return value
}

/** A script that gives what an async function gives, or `{ thrown }`, to WebDriver's callback. */
function asCallback(body: string): string {
  return `const done = arguments[arguments.length - 1];
    (async () => { ${body} })().then(done, (error) => done({ thrown: String(error) }))`
}

function browser(): string {
  const folders = ['/usr/lib', ...list('/usr/lib').map((name) => join('/usr/lib', name))]
  const places = folders.flatMap((folder) =>
    list(folder)
      .filter((name) => /^webkit2?gtk-/.test(name))
      .map((name) => join(folder, name, 'MiniBrowser')),
  )
  return places.find((place) => existsSync(place)) ?? 'MiniBrowser'
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function isOk(response: Response): boolean {
  return response.ok
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout?.setEncoding('utf8').once('data', (text: string) => resolve(text))
    child.once('exit', () => reject(new Error(`${child.spawnfile} ended`)))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill()
  })
}
