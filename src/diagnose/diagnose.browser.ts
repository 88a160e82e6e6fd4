import { mappedIn, natOf, parseIceUrl, type ServerFindings, type SharedFindings } from './candidates.js'
import { type MakeError, withDeadline } from './deadline.js'
import { type Gathering, gather } from './gathering.browser.js'
import type { AskedServer, DiagnosedPage, IceServerSettings, PageObservations } from './page.js'
import { pageFindings } from './page-findings.js'
import type {
  BrowserCandidate,
  BrowserReport,
  BrowserSupport,
  DiagnosedAddress,
  DiagnoseOptions,
  Diagnosis,
  NatReport,
  RemoteVerdict,
} from './report.js'
import { localNetwork, support } from './support.browser.js'
import { type PageKind, webRtcVerdicts } from './verdict.js'

/** A relay that is there is connected by then. */
const RELAY_WAIT_MS = 5000

/** A server that is there has answered by then, to a request that was sent again too. */
const ANSWER_WAIT_MS = 3000

/** A relay is asked for its round trip as soon as it is connected. */
const ROUND_TRIP_WAIT_MS = 2000
const ROUND_TRIP_CHECK_MS = 50

/** Where nobody is asked, and with servers that have answered just now. */
const GATHER_WAIT_MS = 2000

const LOOPBACK = /^(127\.|::1$|localhost$)/i

/** Servers that are asked. */
const MAX_SERVERS = 8

/**
 * Finds out what stands between a peer in a browser and direct paths: it has the browser gather candidates as for a channel, and tells nobody.
 *
 * @throws InvalidArgumentError for a time out of range, and for `lifetimeMs`; AbortedError when the signal fires.
 */
export async function diagnosePage(
  peer: DiagnosedPage,
  options: DiagnoseOptions,
  createError: MakeError,
): Promise<Diagnosis> {
  return withDeadline(options, createError, async (signal, timeoutMs, lifetimeMs) => {
    if (lifetimeMs > 0) throw createError('InvalidArgument', 'lifetimeMs: a browser can not watch a NAT’s mappings')
    return conclude(peer, await observe(peer, signal, timeoutMs))
  })
}

async function observe(peer: DiagnosedPage, signal: AbortSignal, timeoutMs: number): Promise<PageObservations> {
  // Why there is no relay is told by the relays themselves.
  const online = peer
    .online({ signal, timeoutMs: Math.min(timeoutMs, RELAY_WAIT_MS) })
    .then(() => roundTrips(peer, signal))
    .catch(() => undefined)
  const [has, access, gathered] = await Promise.all([support(), localNetwork(), gatherAll(peer, signal), online])
  return { support: has, localNetwork: access, ...gathered, relays: peer.relays(), isCutShort: signal.aborted }
}

/** Waits until the round trips to all relays that are connected have been measured. */
async function roundTrips({ relays }: DiagnosedPage, signal: AbortSignal): Promise<void> {
  const end = performance.now() + ROUND_TRIP_WAIT_MS
  const isMissing = () => relays().some(({ connected, rttMs }) => connected && rttMs === undefined)
  while (isMissing() && performance.now() < end && !signal.aborted)
    await new Promise((resolve) => setTimeout(resolve, ROUND_TRIP_CHECK_MS))
}

async function gatherAll(
  { directPaths, iceServers }: DiagnosedPage,
  signal: AbortSignal,
): Promise<Pick<PageObservations, 'asked' | 'shared' | 'sharedServers'>> {
  const nothing: Gathering = { candidates: [], errors: [], isComplete: false }
  if (!directPaths || iceServers === undefined || typeof RTCPeerConnection === 'undefined')
    return { asked: [], shared: nothing, sharedServers: [] }
  // By itself each, for not every browser says whose answer a candidate is.
  const asked = await Promise.all(
    iceServers
      .flatMap(oneByOne)
      .slice(0, MAX_SERVERS)
      .map(async ({ server, address, isTurn, url }): Promise<AskedServer> => {
        const type = isTurn ? 'relay' : 'srflx'
        return { url, address, isTurn, gathering: await gather([server], { signal, waitMs: ANSWER_WAIT_MS, type }) }
      }),
  )
  const answering = asked.filter(({ isTurn, gathering }) => !isTurn && mappedIn(gathering.candidates) !== undefined)
  const together = answering.map(({ url }) => ({ urls: url }))
  const shared = await gather(together, { signal, waitMs: GATHER_WAIT_MS })
  return { asked, shared, sharedServers: answering.map(({ address }) => address) }
}

/** Each of the servers that several URLs name; what is no URL of an ICE server is left out. */
function oneByOne(settings: IceServerSettings) {
  return [settings.urls].flat().flatMap((url) => {
    const parsed = parseIceUrl(url)
    if (parsed === undefined) return []
    const { isTurn, ...address } = parsed
    return [{ url, isTurn, address, server: { ...settings, urls: url } as RTCIceServer }]
  })
}

function conclude(peer: DiagnosedPage, found: PageObservations): Omit<Diagnosis, 'elapsedMs'> {
  const stun = found.asked.filter(({ isTurn }) => !isTurn)
  const servers = stun.map(({ address, gathering }): ServerFindings => ({ server: address, ...gathering }))
  const { sharedServers, shared } = found
  const together: SharedFindings = {
    servers: sharedServers,
    candidates: shared.candidates,
    isComplete: shared.isComplete && shared.errors.length === 0,
  }
  const [ipv4, ipv6] = [natOf(4, servers, together), natOf(6, servers, together)]
  const connected = found.relays.some((relay) => relay.connected)
  const udp = udpOf(found, connected)
  const candidates = candidatesOf(found)
  const isOff = !peer.directPaths || peer.iceServers === undefined || !found.support.webRtc
  return {
    local: candidates.flatMap(({ type, protocol, host, port }) =>
      type === 'host' && protocol === 'udp' && host !== undefined ? [{ host, port }] : [],
    ),
    udp,
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    stunServers: stun.map(({ address, gathering }) => stunReport(address, gathering)),
    addressDiscovery: [],
    relays: found.relays,
    // What IPv4's NAT does decides as long as not every remote has IPv6.
    remotes: webRtcVerdicts(isOff ? 'udp-blocked' : pageKind(udp, ipv4 ?? ipv6), connected),
    browser: {
      runsIn: typeof document === 'undefined' ? 'worker' : 'page',
      support: found.support,
      localNetwork: found.localNetwork,
      candidates,
      turnServers: found.asked.filter(({ isTurn }) => isTurn).map(turnReport),
      webTransport: webTransportVerdict(found.support, udp, connected),
    },
    findings: pageFindings(peer, found, { udp, nats: [ipv4, ipv6].filter((nat) => nat !== undefined) }),
    stun: { sent: stun.length, answered: sharedServers.length, forged: 0, malformed: 0 },
  }
}

function udpOf({ asked, sharedServers, shared, isCutShort }: PageObservations, connected: boolean): Diagnosis['udp'] {
  if (sharedServers.length > 0) return 'works'
  // One on this machine is asked by few browsers, whatever the network lets out.
  const isAsked = asked.some(({ isTurn, address }) => !isTurn && !LOOPBACK.test(address.host))
  // A browser that gathers nothing at all has been told not to.
  return isAsked && connected && !isCutShort && shared.candidates.length > 0 ? 'blocked' : 'unknown'
}

function pageKind(udp: Diagnosis['udp'], nat: NatReport | undefined): PageKind {
  if (udp === 'blocked') return 'udp-blocked'
  if (nat === undefined || nat.mapping === 'unknown') return 'unknown'
  return nat.mapping === 'endpoint-independent' ? 'endpoint-independent' : 'dependent'
}

/** Sessions are QUIC, too. */
function webTransportVerdict(
  { webTransport, certificateHashes }: BrowserSupport,
  udp: Diagnosis['udp'],
  connected: boolean,
): RemoteVerdict['outcome'] {
  if (webTransport && certificateHashes && udp !== 'blocked') return udp === 'works' ? 'direct' : 'unknown'
  return connected ? 'relayed' : 'unreachable'
}

function stunReport({ host, port }: DiagnosedAddress, { candidates }: Gathering): Diagnosis['stunServers'][number] {
  const mapped = mappedIn(candidates)
  const first = candidates.find(({ type }) => type === 'srflx')
  return { host, port, ...(mapped && { mapped }), ...(mapped && first && { rttMs: first.afterMs }) }
}

function turnReport({ url, gathering }: AskedServer): BrowserReport['turnServers'][number] {
  const relayed = gathering.candidates.find(({ type, host }) => type === 'relay' && host !== undefined)
  if (relayed?.host === undefined) return { url }
  return { url, relayed: { host: relayed.host, port: relayed.port }, afterMs: relayed.afterMs }
}

/** Of the last gathering, with what TURN servers gave. */
function candidatesOf({ asked, shared }: PageObservations): BrowserCandidate[] {
  const relayed = asked.flatMap(({ gathering }) => gathering.candidates).filter(({ type }) => type === 'relay')
  const all = [...shared.candidates, ...relayed].map(({ type, protocol, host, port }) => ({
    type,
    protocol,
    ...(host === undefined ? {} : { host }),
    port,
  }))
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()]
}
