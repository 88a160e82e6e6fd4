import { InvalidConfigError } from '../errors/index.js'
import { nothingElse } from './expect.js'

/** A relay that this peer may use. */
export interface RelaySettings {
  /** `https:`, or `http:` for one on this machine or behind a tunnel. */
  readonly url: string
  /**
   * What the relay asks for to serve this peer: at most 1,024 characters of printable ASCII. It is sent in a header, from a browser in the
   * query of the WebSocket's URL.
   */
  readonly token?: string
  /**
   * Node only: certificates in PEM that the relay's has to lead to, in place of those that Node trusts: for its WebSocket, and for its
   * address-discovery service.
   */
  readonly ca?: string
}

/** More than a peer can measure at its start in a reasonable time. */
const MAX_RELAYS = 16

/** A token has to fit a header and a URL. */
const MAX_TOKEN_LENGTH = 1024

/** Checks the setting `relays`, and brings each URL into its one form. */
export function resolveRelays(value: unknown): RelaySettings[] {
  if (!Array.isArray(value)) throw new InvalidConfigError('relays: must be an array of URLs')
  if (value.length > MAX_RELAYS) throw new InvalidConfigError(`relays: must be at most ${MAX_RELAYS}`)
  const resolved = value.map((relay: unknown, index) => resolveRelay(`relays[${index}]`, relay))
  if (new Set(resolved.map(({ url }) => url)).size !== resolved.length)
    throw new InvalidConfigError('relays: must not name a relay twice')
  return resolved
}

function resolveRelay(field: string, value: unknown): RelaySettings {
  if (typeof value === 'string') return { url: requiredUrl(field, value) }
  if (typeof value !== 'object' || value === null)
    throw new InvalidConfigError(`${field}: must be a URL, or { url, token }`)
  const { url, token, ca, ...rest } = value as Record<string, unknown>
  nothingElse(field, rest)
  if (typeof url !== 'string') throw new InvalidConfigError(`${field}.url: must be a URL`)
  // What it is must not be shown.
  if (token !== undefined && !isToken(token))
    throw new InvalidConfigError(`${field}.token: must be a text of printable ASCII, without a space at either end`)
  if (ca !== undefined && !(typeof ca === 'string' && ca.includes('-----BEGIN CERTIFICATE-----')))
    throw new InvalidConfigError(`${field}.ca: must be certificates in PEM`)
  return {
    url: requiredUrl(`${field}.url`, url),
    ...(token === undefined ? {} : { token }),
    ...(ca === undefined ? {} : { ca }),
  }
}

function isToken(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > MAX_TOKEN_LENGTH) return false
  return /^[\x20-\x7e]+$/.test(value) && value.trim() === value
}

function requiredUrl(field: string, text: string): string {
  const url = relayUrl(text)
  if (url === undefined)
    throw new InvalidConfigError(
      `${field}: must be an http: or https: URL without a user's name, not ${JSON.stringify(text)}`,
    )
  return url
}

/**
 * The one form of a relay's URL, so that two spellings are one relay: `ws:` is `http:`, and query and fragment are nothing to a relay.
 *
 * @returns undefined when it can't be a relay's.
 */
export function relayUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.protocol === 'ws:') url.protocol = 'http:'
  if (url.protocol === 'wss:') url.protocol = 'https:'
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') return undefined
  url.search = ''
  url.hash = ''
  return url.href
}

/** The public relays of iroh's makers, number 0: free to try with, limited in speed, and without any promise. */
export const n0Relays: readonly string[] = Object.freeze([
  'https://use1-1.relay.n0.iroh.link./',
  'https://usw1-1.relay.n0.iroh.link./',
  'https://euc1-1.relay.n0.iroh.link./',
  'https://aps1-1.relay.n0.iroh.link./',
])
