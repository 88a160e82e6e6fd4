import type { ConnectionStats as EngineConnectionStats, PathStats } from '../driver/engine.js'
import type { DatagramDrops } from './datagrams.js'
import type { TlsInfo } from './tls-names.js'

/**
 * Counters and measurements of a connection: the members of the W3C `WebTransportConnectionStats`, and more. Times are milliseconds,
 * sizes bytes.
 */
export interface ConnectionStats {
  readonly bytesSent: number
  readonly packetsSent: number
  readonly bytesLost: number
  readonly packetsLost: number
  readonly bytesReceived: number
  readonly packetsReceived: number
  /** Round-trip time, smoothed (RFC 9002 section 5.3). */
  readonly smoothedRtt: number
  /** The smallest round-trip time seen. */
  readonly minRtt: number
  /** Bytes per second that the congestion window allows; `null` while no round-trip time is known. */
  readonly estimatedSendRate: number | null
  readonly datagrams: {
    /** Dropped here because the reader was too slow. */
    readonly droppedIncoming: number
    /** Dropped here because they waited longer than `incomingMaxAge`. */
    readonly expiredIncoming: number
    /** Dropped here because the queue to the network was full. */
    readonly droppedOutgoing: number
    /** Dropped here because they were larger than the path carries. */
    readonly tooLargeOutgoing: number
  }
  readonly congestionWindowBytes: number
  /** The largest UDP payload that the path is known to carry. */
  readonly mtuBytes: number
  /** Times that congestion was seen (RFC 9002 section 7). */
  readonly congestionEvents: number
  /** Times that a path stopped carrying large packets (RFC 8899 section 4.3). */
  readonly blackHoles: number
  readonly streamsOpen: number
  /** Key updates so far, by both sides (RFC 9001 section 6). */
  readonly keyUpdates: number
  readonly tls: TlsInfo
  readonly paths: readonly PathStats[]
}

export function connectionStats(stats: EngineConnectionStats, tls: TlsInfo, drops: DatagramDrops): ConnectionStats {
  return {
    bytesSent: stats.bytesSent,
    packetsSent: stats.packetsSent,
    bytesLost: stats.bytesLost,
    packetsLost: stats.packetsLost,
    bytesReceived: stats.bytesReceived,
    packetsReceived: stats.packetsReceived,
    smoothedRtt: stats.rttMs,
    minRtt: stats.minRttMs,
    estimatedSendRate: stats.rttMs > 0 ? (stats.congestionWindowBytes * 1000) / stats.rttMs : null,
    datagrams: {
      droppedIncoming: drops.incomingFull,
      expiredIncoming: drops.incomingExpired,
      droppedOutgoing: stats.datagramsDropped,
      tooLargeOutgoing: drops.outgoingTooLarge,
    },
    congestionWindowBytes: stats.congestionWindowBytes,
    mtuBytes: stats.mtuBytes,
    congestionEvents: stats.congestionEvents,
    blackHoles: stats.blackHoles,
    streamsOpen: stats.streamsOpen,
    keyUpdates: stats.keyUpdates,
    tls,
    paths: stats.paths,
  }
}
