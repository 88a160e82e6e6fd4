/** What the candidates that a browser gathers say of the NAT before it. */
import { kindOf } from './classify.js'
import type { BrowserCandidate, DiagnosedAddress, NatReport } from './report.js'

/** A candidate of this machine's, as it is told to a remote. */
export interface Candidate extends BrowserCandidate {
  /** The port of the socket on this machine; absent where the browser does not tell. */
  readonly basePort?: number
}

/** What one server has told, in a gathering of its own. */
export interface ServerFindings {
  readonly server: DiagnosedAddress
  readonly candidates: readonly Candidate[]
}

/** What several servers have told of the same sockets. */
export interface SharedFindings {
  readonly servers: readonly DiagnosedAddress[]
  readonly candidates: readonly Candidate[]
  /** Whether the browser has heard of all the servers. */
  readonly isComplete: boolean
}

const PORTS: Readonly<Record<string, number>> = { stun: 3478, turn: 3478, stuns: 5349, turns: 5349 }
const TYPES: readonly string[] = ['host', 'srflx', 'prflx', 'relay'] satisfies BrowserCandidate['type'][]

/**
 * Reads a `candidate-attribute` (RFC 8839 section 5.1), with or without `a=` before it; `undefined` for what is none, and for transports that
 * are neither UDP nor TCP.
 */
export function parseCandidate(line: string): Candidate | undefined {
  const [, component, protocol, , host, port, typ, type, ...rest] = line.replace(/^(a=)?candidate:/, '').split(' ')
  const transport = protocol?.toLowerCase()
  if (component === undefined || typ !== 'typ' || host === undefined || !isPort(port)) return undefined
  if ((transport !== 'udp' && transport !== 'tcp') || !isType(type)) return undefined
  // What hides addresses hides the base of others by an address of zeros and the port 0 or 9.
  const raddr = valueAfter(rest, 'raddr') ?? ''
  const rport = valueAfter(rest, 'rport')
  const isShown = raddr !== '' && !/^[0.:]*$/.test(raddr) && isPort(rport)
  const base = type === 'host' ? Number(port) : isShown ? Number(rport) : undefined
  return {
    type,
    protocol: transport,
    ...(/\.local$/i.test(host) ? {} : { host }),
    port: Number(port),
    ...(base === undefined ? {} : { basePort: base }),
  }
}

/** Reads the URL of an ICE server (RFC 7064, RFC 7065); `undefined` for what is none. */
export function parseIceUrl(url: string): (DiagnosedAddress & { readonly isTurn: boolean }) | undefined {
  const match = /^(stuns?|turns?):(?:\[([^\]]+)\]|([^:?\s]+))(?::(\d{1,5}))?(?:\?.*)?$/i.exec(url.trim())
  if (match === null) return undefined
  const scheme = (match[1] ?? '').toLowerCase()
  const host = match[2] ?? match[3] ?? ''
  return { host, port: Number(match[4] ?? PORTS[scheme]), isTurn: scheme.startsWith('turn') }
}

/** Where a server has seen the browser; that of IPv4 before that of IPv6. */
export function mappedIn(candidates: readonly Candidate[]): DiagnosedAddress | undefined {
  const seen = reflexive(candidates)
  const { host, port } = [...seen.filter(isIpv4), ...seen][0] ?? {}
  return host === undefined || port === undefined ? undefined : { host, port }
}

/** What is known of the NAT for a family of addresses; `undefined` where no server of that family has answered. */
export function natOf(
  family: 4 | 6,
  servers: readonly ServerFindings[],
  shared: SharedFindings | undefined,
): NatReport | undefined {
  const ofFamily = ({ host = '' }: Candidate): boolean => host.includes(':') === (family === 6)
  const gatherings = [...servers.map(({ candidates }) => candidates), ...(shared ? [shared.candidates] : [])]
  const seen = gatherings.flatMap((candidates) => reflexive(candidates).filter(ofFamily))
  if (seen.length === 0) return undefined
  const mapping = mappingIn(shared, ofFamily)
  const isKept = gatherings.map((candidates) => keepsPorts(candidates, ofFamily))
  const own = gatherings.flat().filter((one) => one.type === 'host' && one.host !== undefined && ofFamily(one))
  const translated = isTranslated(seen, own, mapping, isKept)
  const ports = isKept.every((kept) => kept !== false) && isKept.includes(true) ? 'preserved' : 'unknown'
  const nat = { mapping, filtering: 'unknown', ports } as const
  return {
    ...(translated === undefined ? {} : { translated }),
    kind: kindOf({ ...nat, translated: translated ?? true, addresses: [] }),
    ...nat,
    addresses: [...new Set(seen.flatMap(({ host = [] }) => host))],
  }
}

/**
 * How the sockets that all servers saw are mapped. A browser tells an address that two servers saw once, or twice without saying whose it is: so what
 * counts is how many there are.
 */
function mappingIn(shared: SharedFindings | undefined, ofFamily: (one: Candidate) => boolean): NatReport['mapping'] {
  if (shared === undefined || shared.servers.length < 2) return 'unknown'
  const bySocket = new Map<number, Set<string>>()
  for (const { basePort = 0, host, port } of reflexive(shared.candidates).filter(ofFamily)) {
    const mapped = bySocket.get(basePort) ?? new Set()
    bySocket.set(basePort, mapped.add(`${host} ${port}`))
  }
  if (bySocket.size === 0) return 'unknown'
  const areEqual = [...bySocket.values()].every(({ size }) => size === 1)
  // Two servers at one name tell of its ports alone.
  const areAtOneName = new Set(shared.servers.map(({ host }) => host.toLowerCase())).size === 1
  if (!areEqual) return areAtOneName ? 'address-and-port-dependent' : 'dependent'
  return areAtOneName || !shared.isComplete ? 'unknown' : 'endpoint-independent'
}

function isTranslated(
  seen: readonly Candidate[],
  own: readonly Candidate[],
  mapping: NatReport['mapping'],
  isKept: readonly (boolean | undefined)[],
): boolean | undefined {
  if (isKept.includes(false) || mapping === 'dependent' || mapping === 'address-and-port-dependent') return true
  if (own.length === 0) return undefined
  return !seen.every(({ host }) => own.some((one) => one.host === host))
}

/** Whether servers see the ports of the sockets; `undefined` where nothing is known of them. */
function keepsPorts(candidates: readonly Candidate[], ofFamily: (one: Candidate) => boolean): boolean | undefined {
  const bases = candidates.filter(({ type, protocol }) => type === 'host' && protocol === 'udp').map(({ port }) => port)
  const seen = reflexive(candidates).filter(ofFamily)
  if (seen.length === 0) return undefined
  const kept = seen.map(({ basePort, port }) => {
    if (basePort !== undefined) return port === basePort
    return bases.length === 0 ? undefined : bases.includes(port)
  })
  return kept.includes(false) ? false : kept.includes(undefined) ? undefined : true
}

const reflexive = (candidates: readonly Candidate[]): Candidate[] =>
  candidates.filter(({ type, protocol, host }) => type === 'srflx' && protocol === 'udp' && host !== undefined)

const isIpv4 = ({ host = '' }: Candidate): boolean => !host.includes(':')

function isPort(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 0x10000
}

function isType(text: string | undefined): text is BrowserCandidate['type'] {
  return text !== undefined && TYPES.includes(text)
}

function valueAfter(words: readonly string[], name: string): string | undefined {
  const at = words.indexOf(name)
  return at < 0 ? undefined : words[at + 1]
}
