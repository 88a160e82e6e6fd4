import type { PathInfo, SessionState, TransitionCause } from '../driver/engine.js'
import type { AnypathError } from '../errors/index.js'

/** A path appeared, disappeared, moved to another address, carries the data from now on, or the remote told how it sees ours. */
export interface PathEvent extends PathInfo {
  readonly change: 'established' | 'closed' | 'migrated' | 'observed' | 'selected'
}

/** The state of the session with the remote changed. */
export interface StateEvent {
  readonly from: SessionState
  readonly to: SessionState
  readonly cause: TransitionCause
  /** Time spent in `from`, milliseconds. */
  readonly elapsedMs: number
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
  state: StateEvent
  close: CloseEvent
}
