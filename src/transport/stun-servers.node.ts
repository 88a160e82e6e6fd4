import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { createError } from '../errors/index.js'

/** An address that a STUN server answers at. */
export interface StunServerAddress {
  /** IPv4 or IPv6. */
  readonly host: string
  readonly port: number
}

/** Finds every address of a name. */
export type HostLookup = (name: string) => Promise<readonly string[]>

const DEFAULT_PORT = 3478
const MAX_SERVERS = 16

/** A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port (RFC 7064). */
const SERVER = /^(?:stun:)?(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]]+))(?::([0-9]{1,5}))?$/i

const lookupAll: HostLookup = async (name) => (await lookup(name, { all: true })).map(({ address }) => address)

/**
 * Checks the setting `stunServers`.
 *
 * @param find resolves names; the system's resolver by default.
 * @returns looks up the servers' addresses of both families, each time anew. A name that can't be resolved keeps its last addresses; it never
 * rejects.
 * @throws AnypathError `InvalidConfig` naming the field, what it has to be, and what it is.
 */
export function stunServers(value: unknown, find: HostLookup = lookupAll): () => Promise<StunServerAddress[]> {
  if (!Array.isArray(value)) throw createError('InvalidConfig', 'stunServers: must be an array of texts')
  if (value.length > MAX_SERVERS) throw createError('InvalidConfig', `stunServers: must be at most ${MAX_SERVERS}`)
  const servers = value.map((server: unknown, index) => parse(`stunServers[${index}]`, server))
  const known = new Map<string, readonly string[]>()
  const addressesOf = async (host: string): Promise<readonly string[]> => {
    if (isIP(host) !== 0) return [host]
    try {
      known.set(host, await find(host))
    } catch {
      // Not on this network, or not now: what it had before may still answer.
    }
    return known.get(host) ?? []
  }
  return async () => {
    const found = servers.map(async ({ host, port }) => (await addressesOf(host)).map((ip) => ({ host: ip, port })))
    return (await Promise.all(found)).flat()
  }
}

function parse(field: string, value: unknown): StunServerAddress {
  const [, ipv6, name, digits] = (typeof value === 'string' && SERVER.exec(value)) || []
  const port = digits === undefined ? DEFAULT_PORT : Number(digits)
  const host = ipv6 ?? name
  if (host === undefined || (ipv6 !== undefined && isIP(ipv6) !== 6) || port < 1 || port > 65_535) {
    const shown = typeof value === 'string' ? JSON.stringify(value) : typeof value
    throw createError('InvalidConfig', `${field}: must be HOST:PORT or stun:HOST:PORT, not ${shown}`)
  }
  return { host, port }
}
