/** The chat as a person starts it, and people in it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after } from 'node:test'
import type { Page } from 'playwright-core'

const root = process.env.ANYPATH_ROOT ?? process.cwd()
const running = new Set<ChildProcess>()
after(() => {
  for (const child of running) child.kill('SIGKILL')
})

export interface ChatDemo {
  /** The page, without a room. */
  readonly page: string
  readonly relay: string
  /** The link of a room. */
  readonly room: string
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts `npm start` without a browser, on free ports unless some are given. */
export async function startChat(args: readonly string[] = ['--port', '0', '--relay-port', '0']): Promise<ChatDemo> {
  const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env
  const child = spawn(process.execPath, [join(root, 'demo', 'server.mjs'), '--no-open', ...args], { cwd: root, env })
  running.add(child)
  let output = ''
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += chunk))
  const started = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      output += chunk
      if (output.includes('Ctrl-C ends all.')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the chat ended with ${code}: ${errors}`)))
  })
  await started
  const told = (name: string): string => RegExp(`^ +${name} +(\\S+)$`, 'm').exec(output)?.[1] ?? assert.fail(output)
  return {
    page: told('Page'),
    relay: told('Relay'),
    room: told('A room'),
    stop: async (signal = 'SIGINT') => {
      running.delete(child)
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill(signal)
      await once(child, 'exit')
    },
  }
}

/** Says who one is, and goes in. */
export async function enter(page: Page, name: string): Promise<void> {
  await page.getByLabel('Your name').fill(name)
  await page.locator('#enter-button').click()
  await page.locator('#room').waitFor()
}

/** Writes a message, and sends it by Enter. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Your message').fill(text)
  await page.getByLabel('Your message').press('Enter')
}

/** Waits for a message. */
export async function hears(page: Page, text: string): Promise<void> {
  await page.locator('.message-text', { hasText: text }).first().waitFor()
}

/** Waits until somebody is shown as connected. */
export async function sees(page: Page, name: string): Promise<void> {
  await page.locator('.member[data-state=connected]', { hasText: name }).waitFor({ state: 'attached' })
}

/** Drops a file onto the page, as the browser would. */
export async function drop(
  page: Page,
  file: { name: string; type: string; seed: number; size: number },
): Promise<void> {
  await page.evaluate(({ name, type, seed, size }) => {
    // Not random, so that the other side can be told what to expect.
    const words = new Uint32Array(size / 4)
    for (let i = 0, x = seed; i < words.length; i++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      words[i] = x
    }
    const transfer = new DataTransfer()
    transfer.items.add(new File([words], name, { type }))
    for (const kind of ['dragenter', 'dragover', 'drop']) {
      const event = new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer })
      document.getElementById('log')?.dispatchEvent(event)
    }
  }, file)
}

/** The bytes that `drop` makes of a seed. */
export function bytesOf({ seed, size }: { seed: number; size: number }): Buffer {
  const words = new Uint32Array(size / 4)
  for (let i = 0, x = seed; i < words.length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    words[i] = x
  }
  return Buffer.from(words.buffer)
}
