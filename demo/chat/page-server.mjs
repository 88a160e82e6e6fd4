import { createServer } from 'node:http'
import { RendezvousStore, RequestRate } from './rendezvous.mjs'

/** What `{ slot, blob }` of 1,024 bytes takes, and some room. */
const MAX_BODY_BYTES = 4096
const MAX_BLOB_CHARACTERS = 1400
const SWEEP_MS = 30_000

/**
 * Serves the chat page and the rendezvous of its rooms.
 *
 * @param {{
 *   assets: Map<string, {type: string, body: Uint8Array | string}>,
 *   relay: (host: string) => string,
 *   store?: RendezvousStore,
 *   rate?: RequestRate,
 *   opener?: {path: string, target: string},
 * }} options `relay` names the relay for those who reached this server by that host name; `opener` is a path that leads, once, elsewhere
 * @returns {import('node:http').Server} not listening yet
 */
export function createPageServer({ assets, relay, store = new RendezvousStore(), rate = new RequestRate(), opener }) {
  const openers = new Map(opener === undefined ? [] : [[opener.path, opener]])
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 8192 })
  server.maxConnections = 2000
  server.on('request', async (request, response) => {
    try {
      await answer(request, response, { assets, relay, store, rate, openers })
    } catch {
      // The request was cut off.
      request.destroy()
    }
  })
  const sweeping = setInterval(() => store.sweep(), SWEEP_MS).unref()
  server.on('close', () => clearInterval(sweeping))
  return server
}

async function answer(request, response, { assets, relay, store, rate, openers }) {
  const address = request.socket.remoteAddress ?? ''
  const host = hostNameOf(request.headers.host)
  if (host === undefined) return sendJson(response, 400, { error: 'the host is missing' })
  if (!rate.take(address)) return sendJson(response, 429, { error: 'too many requests' })
  const { pathname } = new URL(request.url, 'http://page')
  const tag = /^\/rendezvous\/([0-9a-f]{32})$/.exec(pathname)?.[1]
  if (tag !== undefined) return exchange(request, response, { tag, address, store })
  if (request.method !== 'GET' && request.method !== 'HEAD') return sendJson(response, 405, { error: 'only GET' })
  if (pathname === '/config.json') return sendJson(response, 200, { relay: relay(host) })
  const opened = openers.get(pathname)
  if (opened !== undefined) {
    openers.delete(pathname)
    return response.writeHead(302, { Location: opened.target, 'Cache-Control': 'no-store' }).end()
  }
  const asset = assets.get(pathname === '/' ? '/index.html' : pathname)
  if (asset === undefined) return sendJson(response, 404, { error: 'there is nothing here' })
  response.writeHead(200, { ...securityHeaders(relay(host)), 'Content-Type': asset.type, 'Cache-Control': 'no-cache' })
  response.end(request.method === 'HEAD' ? undefined : asset.body)
}

async function exchange(request, response, { tag, address, store }) {
  // A page of another origin can't send this type without asking first, and it is not answered.
  const json = request.method === 'POST' && request.headers['content-type']?.startsWith('application/json')
  if (!json) return sendJson(response, 405, { error: 'only POST of JSON' })
  // A body whose length is not told in advance is not waited for.
  const length = Number(request.headers['content-length'])
  if (!(length <= MAX_BODY_BYTES)) return sendJson(response, 413, { error: 'too long' }, { Connection: 'close' })
  const body = await bodyOf(request)
  const message = parsed(body)
  if (message === undefined) return sendJson(response, 400, { error: 'malformed' })
  const { status = 200, ...result } = store.exchange({ tag, address, ...message })
  sendJson(response, status, result)
}

/** The host name that the client used, without the port: it becomes part of the policy, so only what a name may hold. */
function hostNameOf(header = '') {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9.-]{1,253})(?::\d{1,5})?$/i.exec(header)?.[1]
}

async function bodyOf(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(body) {
  let value
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  const { slot, blob } = value ?? {}
  if (typeof slot !== 'string' || !/^[0-9a-f]{32}$/.test(slot)) return undefined
  if (blob !== null && (typeof blob !== 'string' || !/^[\w-]+$/.test(blob))) return undefined
  return blob === null || blob.length <= MAX_BLOB_CHARACTERS ? { slot, blob } : undefined
}

function securityHeaders(relay) {
  const socket = relay.replace(/^http/, 'ws')
  const policy = [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self' blob:",
    `connect-src 'self' ${origin(socket)} ${origin(relay)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    'Content-Security-Policy': policy.join('; '),
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  }
}

/** `new URL(…).origin` of a relay's URL, whatever its scheme. */
function origin(url) {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}

function sendJson(response, status, value, headers = {}) {
  const common = {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  }
  response.writeHead(status, { ...common, ...headers })
  response.end(JSON.stringify(value))
}
