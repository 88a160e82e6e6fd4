/** The peer of this tab: a fresh key, and the relay of the link. */
import { Peer } from 'anypath'
import { CHAT_ALPN } from '../../../src/cli/chat/connection.js'

/** How the relay is, as the page shows it. */
export interface RelayView {
  readonly state: string
  readonly latencyMs: number | undefined
}

export interface TabPeer {
  readonly peer: Peer
  readonly relay: () => RelayView | undefined
  /** Calls the listener whenever the relay's state changes. */
  onRelay(listener: () => void): void
}

export const createTabPeer = async (relay: string): Promise<TabPeer> => {
  const peer = await Peer.create({ alpns: [CHAT_ALPN], relays: [relay] })
  return {
    peer,
    relay: () => peer.relay && { state: peer.relay.state, latencyMs: peer.relay.latencyMs },
    onRelay: (listener) => peer.on('relay', listener),
  }
}
