import type { ConnectedRecord, PathRecord } from '../core/records.js'
import type { RelayRecord } from '../core/relay.js'
import type { ConnectionStatsRecord } from '../core/stats.js'
import type { Carriers } from './carriers.js'
import type {
  ConnectedInfo,
  ConnectionStats,
  EngineEvent,
  PathInfo,
  RelayCause,
  RelayInfo,
  SessionState,
  TransitionCause,
} from './engine.js'

/** In the order of the numbers in `docs/boundary.md`, like everything here. */
export const STATES: readonly SessionState[] = [
  'idle',
  'discovering',
  'connecting',
  'relayed',
  'traversing',
  'direct',
  'recovering',
  'reconnecting',
  'failed',
  'closed',
]

const CAUSES: readonly TransitionCause[] = [
  'dial',
  'accepted',
  'handshake',
  'silence',
  'answer',
  'path-change',
  'network-change',
  'timeout',
  'error',
  'close',
  'candidates',
]

const RELAY_STATES: readonly RelayInfo['state'][] = ['closed', 'connecting', 'authenticating', 'connected', 'waiting']

const RELAY_CAUSES: readonly RelayCause[] = [
  'none',
  'opened',
  'closed',
  'timeout',
  'denied',
  'key-in-use',
  'restarting',
  'unused',
  'protocol-error',
  'health',
  'chosen',
]

const CLOSERS = ['local', 'remote', 'transport'] as const
const PATH_CHANGES = ['established', 'closed', 'migrated', 'observed', 'selected'] as const

export const ADMISSIONS = ['accept', 'refuse', 'retry', 'ignore'] as const
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const

export function stateName(number: number): SessionState {
  return STATES[number] ?? 'idle'
}

export function causeName(number: number): TransitionCause {
  return CAUSES[number] ?? 'error'
}

export function closerName(number: number): (EngineEvent & { type: 'closed' })['by'] {
  return CLOSERS[number] ?? 'transport'
}

export function pathChangeName(number: number): (EngineEvent & { type: 'path' })['change'] {
  return PATH_CHANGES[number] ?? 'established'
}

export function pathInfo({ pathId, carrier, address, rttMs }: PathRecord, carriers: Carriers): PathInfo {
  const place = carriers.place(carrier, address)
  return { pathId, ...place, rttMs }
}

export function relayInfo({ state, home, cause, latencyMs, retryInMs, url, detail }: RelayRecord): RelayInfo {
  return {
    url,
    state: RELAY_STATES[state] ?? 'closed',
    home,
    cause: RELAY_CAUSES[cause] ?? 'none',
    ...(Number.isNaN(latencyMs) ? {} : { latencyMs }),
    ...(Number.isNaN(retryInMs) ? {} : { retryInMs }),
    ...(detail === '' ? {} : { detail }),
  }
}

export function connectedInfo({ path, ...record }: ConnectedRecord, carriers: Carriers): ConnectedInfo {
  return { ...record, path: pathInfo(path, carriers) }
}

export function connectionStats(record: ConnectionStatsRecord, carriers: Carriers): ConnectionStats {
  const { paths, pathsOpen: _pathsOpen, ...numbers } = record
  return {
    ...numbers,
    paths: paths.map((path) => ({
      ...pathInfo(path, carriers),
      mtuBytes: path.mtuBytes,
      bytesSent: path.bytesSent,
      bytesReceived: path.bytesReceived,
      packetsLost: path.packetsLost,
      status: path.backup ? 'backup' : 'available',
    })),
  }
}
