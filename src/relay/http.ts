import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RelayAuth } from '../core/relay-auth.js'
import type { Access } from './access.js'
import { clientAddress } from './addresses.js'
import type { MutableMetrics } from './metrics.js'
import type { RelayLimits } from './options.js'
import type { RecordStore } from './record-store.js'
import { TokenBucket } from './token-bucket.js'

/** Signature, time, and the longest DNS packet. */
const MAX_RECORD_BYTES = 64 + 8 + 1_000
const RECORD_TYPE = 'application/x-pkarr-signed-packet'
/** How many addresses' allowances are remembered. */
const MAX_BUCKETS = 10_000

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>anypath relay</title>
<h1>anypath relay</h1><p>This server passes encrypted datagrams on between peers. It speaks the iroh relay protocol at <code>/relay</code>.</p></html>
`

export interface HttpContext {
  readonly auth: RelayAuth
  readonly access: Access
  readonly metrics: MutableMetrics
  readonly limits: RelayLimits
  readonly trustProxy: boolean
  /** Undefined where records are not kept. */
  readonly records: RecordStore | undefined
  readonly version: string
  /** Milliseconds on a monotonic clock. */
  readonly now: () => number
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Everything that a relay answers without a WebSocket. */
export class HttpService {
  readonly #context: HttpContext
  readonly #routes: ReadonlyMap<string, Handler>
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(context: HttpContext) {
    this.#context = context
    this.#routes = new Map<string, Handler>([
      ['/', (_, response) => reply(response, 200, PAGE, { 'Content-Type': 'text/html; charset=utf-8' })],
      ['/ping', (_, response) => reply(response, 200)],
      ['/healthz', (_, response) => this.#health(response)],
      ['/generate_204', answerCaptivePortalProbe],
      [
        '/robots.txt',
        (_, response) => reply(response, 200, 'User-agent: *\nDisallow: /\n', { 'Content-Type': 'text/plain' }),
      ],
      [
        '/relay',
        (_, response) =>
          reply(response, 426, 'a WebSocket is needed\n', { Upgrade: 'websocket', Connection: 'upgrade, close' }),
      ],
    ])
  }

  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    this.#context.metrics.httpRequests++
    const path = pathOf(request)
    const { method = '' } = request
    if (method === 'OPTIONS') return preflight(response)
    const record = /^\/pkarr\/([a-z0-9]{1,64})$/.exec(path)
    if (record?.[1] !== undefined && this.#context.records !== undefined)
      return this.#record(request, response, record[1])
    const handler = this.#routes.get(path)
    if (handler === undefined) return reply(response, 404, 'not found\n')
    if (method !== 'GET' && method !== 'HEAD') return reply(response, 405, '', { Allow: 'GET, HEAD, OPTIONS' })
    handler(request, response)
  }

  #health(response: ServerResponse): void {
    const draining = this.#context.metrics.draining === 1
    const body = JSON.stringify({ status: draining ? 'draining' : 'ok', version: this.#context.version })
    reply(response, draining ? 503 : 200, body, { 'Content-Type': 'application/json' })
  }

  #record(request: IncomingMessage, response: ServerResponse, name: string): void {
    const parsed = this.#context.auth.parseZBase32(name)
    if (parsed === undefined) return reply(response, 400, 'not a key in z-base-32\n')
    const key = Buffer.from(parsed)
    if (request.method === 'PUT') return this.#putRecord(request, response, key)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return reply(response, 405, '', { Allow: 'GET, HEAD, PUT, OPTIONS' })
    }
    const payload = this.#context.records?.get(key)
    if (payload === undefined) return reply(response, 404, 'no record of this key\n')
    this.#context.metrics.recordsServed++
    reply(response, 200, payload, { 'Content-Type': RECORD_TYPE, 'Cache-Control': 'no-cache' })
  }

  #putRecord(request: IncomingMessage, response: ServerResponse, key: Buffer): void {
    const { metrics, access, trustProxy } = this.#context
    const refuse = (status: number, why: string): void => {
      metrics.recordsRefused++
      reply(response, status, `${why}\n`)
    }
    if (!access.allowsKey(key)) return refuse(403, 'not authorized')
    if (!this.#mayPut(clientAddress(request, trustProxy))) return refuse(429, 'too many records')
    readBody(request, MAX_RECORD_BYTES, (body) => {
      if (body === undefined) {
        response.once('finish', () => request.socket.destroy())
        return refuse(413, `a record has at most ${MAX_RECORD_BYTES} bytes`)
      }
      const micros = this.#context.auth.verifySignedPacket(key, body)
      if (typeof micros === 'string') return refuse(400, `the record is not valid: ${micros}`)
      switch (this.#context.records?.put(key, body, micros)) {
        case 'future':
          return refuse(400, 'the record is from the future')
        case 'older':
          return refuse(409, 'a newer record of this key is there')
        default:
          metrics.recordsPut++
          reply(response, 204)
      }
    })
  }

  #mayPut(address: string): boolean {
    const now = this.#context.now()
    const perMinute = this.#context.limits.recordsPerMinute
    let bucket = this.#buckets.get(address)
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_BUCKETS) this.#forgetFullBuckets(now)
      if (this.#buckets.size >= MAX_BUCKETS) return false
      bucket = new TokenBucket(perMinute / 60, perMinute, now)
      this.#buckets.set(address, bucket)
    }
    return bucket.tryTake(1, now)
  }

  #forgetFullBuckets(now: number): void {
    for (const [address, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(address)
  }
}

/** For clients that want to know whether a captive portal answers in place of the Internet, as iroh's probe has it. */
export function answerCaptivePortalProbe({ headers }: IncomingMessage, response: ServerResponse): void {
  const challenge = headers['x-iroh-challenge']
  const valid = typeof challenge === 'string' && /^[\w.-]{1,63}$/.test(challenge)
  reply(response, 204, undefined, valid ? { 'X-Iroh-Response': `response ${challenge}` } : {})
}

export function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? ''
}

function preflight(response: ServerResponse): void {
  reply(response, 204, undefined, {
    'Access-Control-Allow-Methods': 'GET, HEAD, PUT, OPTIONS',
    'Access-Control-Allow-Headers': '*',
    'Access-Control-Max-Age': '86400',
  })
}

/** Every answer is for every origin: nothing here depends on cookies. */
export function reply(
  response: ServerResponse,
  status: number,
  body?: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  const length =
    body === undefined ? (status === 204 ? {} : { 'Content-Length': 0 }) : { 'Content-Length': Buffer.byteLength(body) }
  response.writeHead(status, {
    'Access-Control-Allow-Origin': '*',
    'X-Content-Type-Options': 'nosniff',
    ...length,
    ...headers,
  })
  response.end(body)
}

/** Gives the body, or undefined as soon as it is too long; then the rest is not read. */
function readBody(request: IncomingMessage, maxBytes: number, done: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = []
  let length = 0
  request.on('data', (chunk: Buffer) => {
    length += chunk.length
    chunks.push(chunk)
    if (length <= maxBytes) return
    request.removeAllListeners('data').removeAllListeners('end')
    request.pause()
    done(undefined)
  })
  request.on('end', () => done(Buffer.concat(chunks)))
  request.on('error', () => undefined)
}
