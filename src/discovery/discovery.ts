import type { TicketAddress } from './address.js'
import type { PublishingPeer, ReadRecord } from './record.js'

/** Finds the addresses of a peer whose id is known, or publishes this peer's, or both. Injected; several can be given at once. */
export interface Discovery {
  /** Names it in logs and metrics. */
  readonly name: string
  /**
   * Looks a peer up. All discoveries of a peer are asked at once.
   *
   * @param remoteId 64 lower-case hexadecimal digits.
   * @returns what it knows, empty when nothing. A rejection is logged and counts as empty.
   */
  lookup(remoteId: string, options: LookupOptions): Promise<readonly TicketAddress[]>
  /**
   * Begins to publish where a peer can be reached. Called once for each peer; a discovery that several peers were given publishes for each
   * of them.
   */
  publish?(peer: PublishingPeer): Publication
}

/** How a peer is looked up. */
export interface LookupOptions {
  /** Ends the lookup. */
  readonly signal: AbortSignal
  /** Checks and reads signed records; every `Peer` gives it. */
  readonly readRecord?: ReadRecord
  /**
   * Takes what is found after the lookup has resolved, until `signal` fires: where anybody can answer, the first answer need not be the right one.
   * Without it, a lookup ends with its result.
   */
  readonly more?: (addresses: readonly TicketAddress[]) => void
  /** Whether the answer must be newly asked for, because an earlier one led nowhere. @default false */
  readonly fresh?: boolean
}

/** What is published for one peer. */
export interface Publication {
  /**
   * Takes the addresses at which the peer can be reached now, in place of the former ones; a relay is among them only while it is
   * connected. Returns at once; failures are logged and tried again.
   */
  update(addresses: readonly TicketAddress[]): void
  /** Withdraws what was published and ends. Takes a few seconds at most, and never rejects. Idempotent. */
  close(): Promise<void>
}

/** Knows the addresses of a fixed set of peers. */
export function staticDiscovery(peers: Readonly<Record<string, readonly TicketAddress[]>>): Discovery {
  const known = new Map(Object.entries(peers).map(([id, addresses]) => [id.toLowerCase(), addresses]))
  return {
    name: 'static',
    lookup: async (remoteId) => known.get(remoteId) ?? [],
  }
}
