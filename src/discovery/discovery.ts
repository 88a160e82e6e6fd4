import type { TicketAddress } from './address.js'

/** Finds the addresses of a peer whose id is known. Injected; several can be given, and all are asked at once. */
export interface Discovery {
  /** Names it in logs and metrics. */
  readonly name: string
  /**
   * Looks a peer up.
   *
   * @param remoteId 64 lower-case hexadecimal digits.
   * @returns what it knows, empty when nothing. A rejection is logged and counts as empty.
   */
  lookup(remoteId: string, options: { readonly signal: AbortSignal }): Promise<readonly TicketAddress[]>
}

/** Knows the addresses of a fixed set of peers. */
export function staticDiscovery(peers: Readonly<Record<string, readonly TicketAddress[]>>): Discovery {
  const known = new Map(Object.entries(peers).map(([id, addresses]) => [id.toLowerCase(), addresses]))
  return {
    name: 'static',
    lookup: async (remoteId) => known.get(remoteId) ?? [],
  }
}
