import type { RelayInfo } from '../driver/engine.js'
import type { AnypathError } from '../errors/index.js'
import type { Connection } from './connection.js'
import type { StateEvent } from './connection-events.js'

/** The events of a `Peer` by name. */
export type PeerEvents = {
  /** A connection was authenticated, dialled by either side. */
  connection: Connection
  /** The state of the session with a remote changed. */
  state: StateEvent & { readonly remoteId: string }
  /** A relay of this peer was connected, lost, chosen as the home relay, or measured. */
  relay: RelayInfo
  /** The peer is closed; with an error when its core failed, or the port to it was closed. */
  close: { readonly error?: AnypathError }
}
