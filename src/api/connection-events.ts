import type { PathInfo, SearchInfo, SessionState, TransitionCause } from '../driver/engine.js'
import type { AnypathError } from '../errors/index.js'

/** A path appeared, disappeared, moved to another address, carries the data from now on, or the remote told how it sees ours. */
export interface PathEvent extends PathInfo {
  readonly change: 'established' | 'closed' | 'migrated' | 'observed' | 'selected'
}

/** The two addresses between which a path leads (RFC 8445 section 4). */
export interface CandidatePair {
  /** Where the remote sees this side; absent over a relay, and as long as the remote has not told. */
  readonly local?: { readonly host: string; readonly port: number }
  readonly remote: PathInfo
}

/** The state of the session with the remote changed. */
export interface StateEvent {
  readonly from: SessionState
  readonly to: SessionState
  readonly cause: TransitionCause
  /** Time spent in `from`, milliseconds. */
  readonly elapsedMs: number
  /** That of the path in use: of `recovering` the one on which nothing is heard. Absent where there is no path. */
  readonly pair?: CandidatePair
}

/**
 * A search for a direct path is over: one for each round of NAT traversal that this side began, for each attempt of the birthday scheme, and for each
 * dial of a remote's public addresses that came to a path.
 */
export interface SearchEvent extends SearchInfo {
  /** The addresses between which the path leads that was found. */
  readonly pair?: CandidatePair
}

/** How a connection was closed (W3C `WebTransportCloseInfo`). */
export interface CloseInfo {
  /** The application's close code. */
  readonly closeCode: number
  /** The application's reason; at most 1,024 bytes of UTF-8 travel. */
  readonly reason: string
}

export interface CloseEvent extends CloseInfo {
  /** Who closed it; `transport` is a timeout or an error on the way. */
  readonly by: 'local' | 'remote' | 'transport'
  /** Why, unless an application closed it. */
  readonly error?: AnypathError
}

/** The events of a `Connection` by name. */
export type ConnectionEvents = {
  path: PathEvent
  search: SearchEvent
  state: StateEvent
  close: CloseEvent
}
