import { isIP } from 'node:net'
import { createError } from '../errors/index.js'
import { withDeadline } from './deadline.js'
import { relayFindings, timeFindings } from './findings.js'
import { type FamilyFindings, Measurement } from './measure.node.js'
import { natByObservations, observed } from './observed.node.js'
import type {
  AddressObservation,
  DiagnosedAddress,
  DiagnoseOptions,
  Diagnosis,
  DiagnosisFinding,
  RelayReport,
  StunServerReport,
} from './report.js'
import type { StunCounts } from './stun-socket.node.js'
import { remoteKindOf, verdicts } from './verdict.js'

/** What is diagnosed: a peer, as far as it has to be known for that. */
export interface DiagnosedPeer {
  /** Where its UDP socket is bound. */
  readonly host: string
  /** Whether it looks for direct paths. */
  readonly directPaths: boolean
  /** Where its UDP socket is reached. */
  readonly local: () => Promise<readonly DiagnosedAddress[]>
  readonly stunServers: {
    /** Whether its relays tell of them, once they are connected. */
    readonly ofRelays: boolean
    /** How many are named. */
    readonly count: number
    readonly addresses: () => Promise<readonly DiagnosedAddress[]>
  }
  readonly relays: () => readonly RelayReport[]
  /** What the address-discovery services of its relays have told it so far. */
  readonly observations: () => Promise<readonly AddressObservation[]>
  /** Resolves when the home relay is connected; rejects when none is within the time. */
  readonly online: (options: { readonly signal: AbortSignal; readonly timeoutMs: number }) => Promise<unknown>
}

/** A relay that is there is connected by then. */
const RELAY_WAIT_MS = 5000

/** Servers that are asked, of each family. */
const MAX_SERVERS = 8

/**
 * Finds out what stands between a peer and direct paths.
 *
 * @throws InvalidConfigError for a peer without a UDP socket; InvalidArgumentError for a time out of range; AbortedError when the signal fires; TransportFailedError when no socket can be opened.
 */
export async function diagnose(peer: DiagnosedPeer, options: DiagnoseOptions = {}): Promise<Diagnosis> {
  if ((await peer.local()).length === 0)
    throw createError('InvalidConfig', 'transports: a peer in Node without a UDP socket can not be diagnosed')
  return withDeadline(options, createError, async (signal, timeoutMs, lifetimeMs) =>
    conclude(peer, await observe(peer, signal, timeoutMs, lifetimeMs)),
  )
}

interface Observed {
  readonly local: readonly DiagnosedAddress[]
  readonly ipv4: FamilyFindings
  readonly ipv6: FamilyFindings
  readonly addressDiscovery: readonly AddressObservation[]
  readonly relays: readonly RelayReport[]
  readonly counts: StunCounts
  /** Whether the time was over before everything had been measured. */
  readonly isCutShort: boolean
}

async function observe(
  peer: DiagnosedPeer,
  signal: AbortSignal,
  timeoutMs: number,
  lifetimeMs: number,
): Promise<Observed> {
  const counts: StunCounts = { sent: 0, answered: 0, forged: 0, malformed: 0 }
  // Why there is no relay is told by the relays themselves.
  const online = peer.online({ signal, timeoutMs: Math.min(timeoutMs, RELAY_WAIT_MS) }).catch(() => undefined)
  const measure = async (): Promise<FamilyFindings[]> => {
    if (peer.stunServers.ofRelays) await online
    const servers = await orAborted(peer.stunServers.addresses(), signal, [])
    return Promise.all(
      [4, 6].map((family) => measureFamily(peer.host, family, servers, { counts, signal, lifetimeMs })),
    )
  }
  const [[ipv4 = NOTHING, ipv6 = NOTHING]] = await Promise.all([measure(), online])
  const [local, relays, isCutShort] = [await peer.local(), peer.relays(), signal.aborted]
  const connected = relays.filter((relay) => relay.connected).length
  if (ipv4.servers.length + ipv6.servers.length > 0 || connected === 0)
    return { local, ipv4, ipv6, addressDiscovery: [], relays, counts, isCutShort }
  const addressDiscovery = await observed(peer.observations, connected, signal)
  const told = (family: 4 | 6): FamilyFindings => {
    const nat = natByObservations(addressDiscovery, local, family)
    return { ...NOTHING, ...(nat && { nat }) }
  }
  return { local, ipv4: told(4), ipv6: told(6), addressDiscovery, relays, counts, isCutShort }
}

const NOTHING: FamilyFindings = { servers: [], hasOther: false }

async function measureFamily(
  host: string,
  family: number,
  servers: readonly DiagnosedAddress[],
  {
    counts,
    signal,
    lifetimeMs,
  }: { readonly counts: StunCounts; readonly signal: AbortSignal; readonly lifetimeMs: number },
): Promise<FamilyFindings> {
  const ofFamily = servers.filter((server) => isIP(server.host) === family).slice(0, MAX_SERVERS)
  const bound = host === '::' ? (family === 4 ? '0.0.0.0' : '::') : host
  if (ofFamily.length === 0 || isIP(bound) !== family) return NOTHING
  try {
    return await new Measurement(bound, counts, signal, lifetimeMs).run(ofFamily)
  } catch (error) {
    // A machine without IPv6 has no such socket either; its servers count as silent.
    if (family === 6 && host === '::')
      return { servers: ofFamily.map(({ host, port }) => ({ host, port })), hasOther: false }
    throw error
  }
}

function conclude(peer: DiagnosedPeer, found: Observed): Omit<Diagnosis, 'elapsedMs'> {
  const { local, ipv4, ipv6, addressDiscovery, relays, counts, isCutShort } = found
  const stunServers = [...ipv4.servers, ...ipv6.servers]
  const connected = relays.some((relay) => relay.connected)
  const answers = addressDiscovery.length > 0 || stunServers.some(({ mapped }) => mapped !== undefined)
  const udp = answers ? 'works' : connected && stunServers.length > 0 && !isCutShort ? 'blocked' : 'unknown'
  // What IPv4's NAT does decides as long as not every remote has IPv6.
  const nat = ipv4.nat ?? ipv6.nat
  const own = udp === 'blocked' ? 'udp-blocked' : nat && remoteKindOf(nat)
  return {
    local,
    udp,
    ...(ipv4.nat && { ipv4: ipv4.nat }),
    ...(ipv6.nat && { ipv6: ipv6.nat }),
    stunServers,
    addressDiscovery,
    relays,
    remotes: verdicts(peer.directPaths ? own : 'udp-blocked', connected),
    findings: findingsOf(peer, found, stunServers, udp),
    stun: counts,
  }
}

function findingsOf(
  { stunServers: { ofRelays, count }, directPaths }: DiagnosedPeer,
  { ipv4, ipv6, addressDiscovery, relays, counts, isCutShort }: Observed,
  servers: readonly StunServerReport[],
  udp: Diagnosis['udp'],
): DiagnosisFinding[] {
  const findings: DiagnosisFinding[] = []
  const tell = (code: DiagnosisFinding['code'], message: string) => findings.push({ code, message })
  if (!directPaths) tell('direct-paths-off', 'directPaths is false: relayed connections stay relayed')
  if (addressDiscovery.length > 0)
    tell('no-stun-server', 'no STUN server was named: how the NAT filters, and how it chooses ports, can not be known')
  else if (servers.length === 0 && (ofRelays || count === 0))
    tell('no-stun-server', 'no STUN server was named, and no relay tells of one: what a NAT does can not be known')
  else if (servers.length === 0) tell('stun-unresolved', 'no STUN server’s name leads to an address on this network')
  if (udp === 'blocked')
    tell('udp-blocked', 'no STUN server answers over UDP, and a relay does over TCP: UDP is blocked')
  else if (udp === 'unknown' && servers.length > 0 && !isCutShort)
    tell('network-down', 'neither a STUN server nor a relay answers')
  else {
    for (const { host, port, mapped } of servers)
      if (mapped === undefined) tell('stun-silent', `the STUN server ${host} port ${port} does not answer`)
  }
  for (const { nat, hasOther } of [ipv4, ipv6]) {
    if (nat === undefined) continue
    if (nat.mapping === 'unknown')
      tell('one-stun-address', 'only one server’s address answered: how the NAT maps takes two')
    if (!hasOther && addressDiscovery.length === 0)
      tell('no-other-address', 'no STUN server has a second address (RFC 5780): how the NAT filters can not be known')
  }
  findings.push(...timeFindings(isCutShort), ...relayFindings(relays))
  if (counts.forged > 0) tell('forged-answers', `${counts.forged} answers came that nobody was asked for`)
  return findings
}

/** What the promise gives, or that when the signal fires before. */
async function orAborted<Result>(promise: Promise<Result>, signal: AbortSignal, otherwise: Result): Promise<Result> {
  let stop = (): void => {}
  const aborted = new Promise<Result>((resolve) => {
    stop = () => resolve(otherwise)
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
