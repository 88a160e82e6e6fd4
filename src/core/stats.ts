import type { AddressCodec, SocketAddress } from './address.js'
import type { ByteReader } from './bytes.js'
import { type PathRecord, readAddress } from './records.js'

const CONNECTION_FIELDS = [
  'rttMs',
  'minRttMs',
  'congestionWindowBytes',
  'mtuBytes',
  'bytesSent',
  'bytesReceived',
  'packetsSent',
  'packetsReceived',
  'packetsLost',
  'bytesLost',
  'congestionEvents',
  'blackHoles',
  'streamsOpen',
  'group',
  'cipher',
  'pathsOpen',
  'keyUpdates',
  'datagramsDropped',
] as const

/** The figures of a peer, in the order in which the boundary gives them. */
export const PEER_FIELDS = [
  'connections',
  'handshakes',
  'datagramsReceived',
  'datagramsSent',
  'bytesReceived',
  'bytesSent',
  'malformedDropped',
  'unroutedDropped',
  'virtualDropped',
  'retriesSent',
  'refused',
  'resetsSent',
  'dialsStarted',
  'dialsFailed',
  'dialsSucceeded',
  'accepted',
  'incomingBytesBuffered',
  'memoryBytes',
  'relaysConnected',
  'relayMessagesSent',
  'relayMessagesReceived',
  'relayBytesSent',
  'relayBytesReceived',
  'relayDropped',
  'stunAnswered',
  'stunLimited',
  'discoveryClients',
  'discoveries',
  'traversalRounds',
  'traversalsSucceeded',
  'traversalsFailed',
  'traversalMs',
  'probesSent',
  'probesForbidden',
  'probesLimited',
  'directPathsLost',
  'stunRequestsSent',
  'stunRequestsAnswered',
  'stunForged',
  'stunTimeouts',
  'discoveryConnects',
  'discoveryObservations',
  'directPathsOpened',
  'observedLimited',
  'controlsDialled',
  'controlsRefused',
  'controlsMalformed',
  'birthdayAttempts',
  'birthdayHits',
  'birthdayMisses',
  'birthdayRefusals',
  'birthdayProbesSent',
  'birthdayProbesReceived',
  'birthdayProbesForged',
  'birthdayProbesLate',
  'socketsOpened',
  'socketsFailed',
  'socketsForeign',
  'webTransportSessions',
  'webTransportAccepted',
  'webTransportRefused',
  'webTransportFaults',
  'webTransportDatagramsDropped',
] as const

/** From here on the core for browsers has none: it has no sockets. */
const FIRST_OF_NODE = PEER_FIELDS.indexOf('stunRequestsSent')

export interface PathStatsRecord extends PathRecord {
  readonly mtuBytes: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly packetsLost: number
  readonly backup: boolean
}

export type ConnectionStatsRecord = Readonly<Record<(typeof CONNECTION_FIELDS)[number], number>> & {
  readonly paths: readonly PathStatsRecord[]
}

/** The NATs that searches for direct paths are counted by, in the order of the record. */
const NATS = [
  'unknown',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
  'dependent',
  'none',
] as const

const SEARCH_FIELDS = ['told', 'peerReflexive', 'birthday', 'failed'] as const

type Searches = Readonly<Record<(typeof SEARCH_FIELDS)[number], number>>

type Place = Pick<SocketAddress, 'host' | 'port'>

/** Somebody's word about the peer's own address. */
export interface ObservationRecord {
  readonly by: 'server' | 'remote'
  readonly observer: Place
  readonly mapped: Place
  readonly rttMs: number | undefined
}

export type PeerStatsRecord = Readonly<Record<(typeof PEER_FIELDS)[number], number>> & {
  readonly searches: Readonly<Record<(typeof NATS)[number], Searches>>
  readonly observations: readonly ObservationRecord[]
}

/** Reads a `ConnectionStats` of the boundary. */
export function readConnectionStats(reader: ByteReader, addresses: AddressCodec): ConnectionStatsRecord {
  const numbers = readNumbers(reader, CONNECTION_FIELDS)
  const paths: PathStatsRecord[] = []
  for (let count = reader.u16(); count > 0; count--) {
    const pathId = reader.u32()
    const carrier = reader.u32()
    const address = readAddress(reader, addresses)
    const rttMs = reader.f64()
    const mtuBytes = reader.f64()
    const bytesSent = reader.f64()
    const bytesReceived = reader.f64()
    const packetsLost = reader.f64()
    paths.push({
      pathId,
      carrier,
      address,
      rttMs,
      mtuBytes,
      bytesSent,
      bytesReceived,
      packetsLost,
      backup: reader.bool(),
    })
  }
  return { ...numbers, paths }
}

/** Reads a `PeerStats` of the boundary. */
export function readPeerStats(reader: ByteReader, addresses: AddressCodec): PeerStatsRecord {
  const common = readNumbers(reader, PEER_FIELDS.slice(0, FIRST_OF_NODE))
  const isOfNode = reader.remaining > 0
  const numbers = <Name extends string>(names: readonly Name[]) =>
    isOfNode ? readNumbers(reader, names) : (Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>)
  const rest = numbers(PEER_FIELDS.slice(FIRST_OF_NODE))
  const searches = Object.fromEntries(NATS.map((nat) => [nat, numbers(SEARCH_FIELDS)]))
  const observations = isOfNode ? readObservations(reader, addresses) : []
  return { ...common, ...rest, searches, observations } as unknown as PeerStatsRecord
}

function readObservations(reader: ByteReader, addresses: AddressCodec): ObservationRecord[] {
  return Array.from({ length: reader.u16() }, () => {
    const by = reader.u8() === 0 ? 'server' : 'remote'
    const [observer, mapped] = [readPlace(reader, addresses), readPlace(reader, addresses)]
    const rttMs = reader.f64()
    return { by, observer, mapped, rttMs: Number.isNaN(rttMs) ? undefined : rttMs }
  })
}

/** What goes to applications has nothing of the codec's own. */
function readPlace(reader: ByteReader, addresses: AddressCodec): Place {
  const { host, port } = readAddress(reader, addresses)
  return { host, port }
}

function readNumbers<Name extends string>(reader: ByteReader, names: readonly Name[]): Record<Name, number> {
  const numbers = {} as Record<Name, number>
  for (const name of names) numbers[name] = reader.f64()
  return numbers
}
