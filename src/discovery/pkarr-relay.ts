import { createError } from '../errors/index.js'
import { zBase32FromHex } from './base-32.js'

/** The most bytes that a relay may give: signature, timestamp, and a DNS message of 1,000 bytes. */
const MAX_PACKET_BYTES = 64 + 8 + 1000
/** What relays without a path of their own are asked under, as iroh's are. */
const DEFAULT_PATH = '/pkarr'

/** What became of a packet that was put. */
export type PutOutcome =
  | { readonly kind: 'stored' }
  /** The relay has a newer one, or wants to know of which one this is the successor. */
  | { readonly kind: 'conflict'; readonly status: number }
  /** It will be refused again. */
  | { readonly kind: 'refused'; readonly status: number }
  /** Another try may succeed. */
  | { readonly kind: 'unavailable'; readonly status: number; readonly retryAfterMs: number | undefined }

/** A relay of pkarr: signed packets by GET and PUT over HTTP. */
export class PkarrRelay {
  readonly #base: URL
  readonly #fetch: typeof fetch

  /** @throws AnypathError `InvalidArgument` unless the URL is one of HTTP, without a user's name or password. */
  constructor(url: string, fetcher: typeof fetch = fetch) {
    this.#base = parsed(url)
    // Browsers' fetch refuses to be called as a method of anything but the window.
    this.#fetch = (...call) => fetcher(...call)
  }

  /** Where the relay is, without what may be secret. */
  get origin(): string {
    return this.#base.origin
  }

  /**
   * The packet of an id, `undefined` when the relay has none.
   *
   * @throws (by rejection) AnypathError `TransportFailed` when the relay does not answer, or answers anything else.
   */
  async get(id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const response = await this.#request(id, { method: 'GET', cache: 'no-store', signal })
    if (response.status === 200) return boundedBody(response)
    await discard(response)
    if (response.status === 404) return undefined
    throw createError('TransportFailed', `${this.origin} answered ${response.status}`)
  }

  /**
   * Gives the relay a packet; the request may outlive the page.
   *
   * @throws (by rejection) AnypathError `TransportFailed` when the relay does not answer.
   */
  async put(id: string, packet: Uint8Array, signal: AbortSignal): Promise<PutOutcome> {
    const response = await this.#request(id, { method: 'PUT', body: packet.slice(), keepalive: true, signal })
    await discard(response)
    const { status } = response
    if (response.ok) return { kind: 'stored' }
    if (status === 409 || status === 412 || status === 428) return { kind: 'conflict', status }
    const mayPass = status >= 500 || status === 408 || status === 425 || status === 429
    if (!mayPass) return { kind: 'refused', status }
    return { kind: 'unavailable', status, retryAfterMs: retryAfterMs(response.headers.get('retry-after')) }
  }

  async #request(id: string, init: RequestInit): Promise<Response> {
    const url = new URL(this.#base)
    url.pathname += `/${zBase32FromHex(id)}`
    try {
      return await this.#fetch(url, { ...init, credentials: 'omit', referrerPolicy: 'no-referrer' })
    } catch (cause) {
      throw createError('TransportFailed', `${this.origin} could not be asked`, { cause })
    }
  }
}

function parsed(url: string): URL {
  if (!URL.canParse(url)) throw createError('InvalidArgument', "a pkarr relay's URL is malformed")
  const base = new URL(url)
  if (base.protocol !== 'https:' && base.protocol !== 'http:')
    throw createError('InvalidArgument', "a pkarr relay's URL begins with https: or http:")
  if (base.username !== '' || base.password !== '')
    throw createError('InvalidArgument', "a pkarr relay's URL has no user and no password")
  base.hash = ''
  base.pathname = base.pathname.replace(/\/+$/, '') || DEFAULT_PATH
  return base
}

/** The whole body, which is read no further than a packet can be long. */
async function boundedBody(response: Response): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_PACKET_BYTES)
  let length = 0
  const reader = response.body?.getReader()
  for (;;) {
    const chunk = await reader?.read().catch((cause: unknown) => {
      throw createError('TransportFailed', 'a pkarr relay ended its answer early', { cause })
    })
    if (chunk === undefined || chunk.done) return bytes.subarray(0, length)
    if (length + chunk.value.length > MAX_PACKET_BYTES) {
      await reader?.cancel().catch(() => {})
      throw createError('TransportFailed', `a pkarr relay gave more than ${MAX_PACKET_BYTES} bytes`)
    }
    bytes.set(chunk.value, length)
    length += chunk.value.length
  }
}

/** Frees the connection of an answer whose body does not matter. */
async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {})
}

/** Seconds of a `Retry-After` header (RFC 9110 section 10.2.3); its other form, a date, needs both clocks to agree and is left out. */
function retryAfterMs(header: string | null): number | undefined {
  return header !== null && /^\d{1,6}$/.test(header.trim()) ? Number(header) * 1000 : undefined
}
