// Starts a relay and the chat page with one command, and prints the links. `npm start` runs it.
//
//   --host ADDRESS      listen on this address instead of loopback; browsers on other machines then need https in front of it
//   --port N            of the page (default 4000, or a free one)
//   --relay-port N      of the relay (default 3340, or a free one)
//   --relay URL         use this relay instead of starting one
//   --no-open           do not open a browser
//
// Ctrl-C ends all.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { parseArgs } from 'node:util'
import { startRelay } from 'anypath/relay'
import { bundlePage } from './chat/bundle.mjs'
import { createPageServer } from './chat/page-server.mjs'

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string' },
    'relay-port': { type: 'string' },
    relay: { type: 'string' },
    'no-open': { type: 'boolean', default: false },
  },
})

try {
  await main()
} catch (error) {
  console.error(`The chat could not be started: ${error.message}`)
  process.exit(1)
}

async function main() {
  const assets = await bundlePage()
  const relay = values.relay === undefined ? await startOnPort(values['relay-port'], 3340, openRelay) : undefined
  const relayUrl = (host) => values.relay ?? `http://${host}:${relay.httpPort}/`
  const opener = { path: `/open/${randomBytes(16).toString('hex')}`, target: '' }
  const page = createPageServer({ assets, relay: relayUrl, opener })
  await startOnPort(values.port, 4000, (port) => listen(page, port))

  const host = shownHost(values.host)
  const origin = `http://${host}:${page.address().port}`
  const secret = randomBytes(24).toString('base64url')
  opener.target = `/#relay=${encodeURIComponent(relayUrl(host))}&room=${secret}`
  const link = `${origin}${opener.target}`
  console.log(`anypath chat\n`)
  console.log(`  Page    ${origin}/`)
  console.log(`  Relay   ${relayUrl(host)}`)
  console.log(`  A room  ${link}\n`)
  console.log(`Open the room in two windows, or join it from a terminal:\n\n  npx anypath chat '${link}'\n`)
  console.log('Ctrl-C ends all.')
  if (!values['no-open']) openBrowser(`${origin}${opener.path}`)
  endWith(page, relay)
}

function openRelay(port) {
  return startRelay({ host: values.host, port, limits: { drainMs: 500 } })
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, values.host, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}

/** Takes the port that was asked for, else the usual one, else a free one. */
async function startOnPort(asked, usual, start) {
  if (asked !== undefined) {
    if (!/^\d{1,5}$/.test(asked) || Number(asked) > 65_535) throw new Error(`${asked} is not a port`)
    return start(Number(asked))
  }
  try {
    return await start(usual)
  } catch (error) {
    if (error.code !== 'EADDRINUSE' && error.code !== 'AddressInUse') throw error
    return start(0)
  }
}

/** What others put for this machine into an address bar. */
function shownHost(host) {
  const any = host === '0.0.0.0' || host === '::'
  const outside = Object.values(networkInterfaces())
    .flat()
    .find(({ internal, family }) => !internal && family === 'IPv4')
  const shown = any ? (outside?.address ?? '127.0.0.1') : host
  return shown.includes(':') ? `[${shown}]` : shown
}

/**
 * Only for a person at a desktop. The address works once and holds no secret: other users of the machine can read the arguments of a
 * process.
 */
function openBrowser(url) {
  const { platform, env, stdout } = process
  const desktop = platform === 'darwin' || platform === 'win32' || (env.DISPLAY ?? env.WAYLAND_DISPLAY ?? '') !== ''
  if (stdout.isTTY !== true || !desktop || env.CI !== undefined) return
  const [command, ...args] =
    platform === 'darwin' ? ['open'] : platform === 'win32' ? ['cmd', '/c', 'start', ''] : ['xdg-open']
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true })
  // The links are printed; a machine without a browser has them there.
  child.on('error', () => {})
  child.unref()
}

function endWith(page, relay) {
  let ending = false
  const end = async (code) => {
    if (ending) process.exit(code)
    ending = true
    page.close()
    page.closeAllConnections()
    await relay?.close()
    process.exit(code)
  }
  process.on('SIGINT', () => end(130))
  process.on('SIGTERM', () => end(143))
}
