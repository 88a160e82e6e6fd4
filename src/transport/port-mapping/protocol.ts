import type { TransportAddress } from '../transport.js'

/** How long a router is asked to forward a port, seconds: what RFC 6886 section 3.3 recommends at most. */
export const LIFETIME_SECONDS = 7200

/** A port of a router that it forwards to the main socket. */
export interface Lease {
  readonly external: TransportAddress
  /** How long the router keeps it without being asked again, seconds. */
  readonly lifetimeSeconds: number
}

/** One way of asking a router: PCP, NAT-PMP or UPnP. */
export interface MappingProtocol {
  readonly name: 'pcp' | 'nat-pmp' | 'upnp'
  /**
   * Asks for the port, or to keep it.
   *
   * @param suggestedPort the external port that is wanted; the router may give another one.
   * @throws NoMapping when the router does not answer, or refuses.
   */
  map(suggestedPort: number, signal: AbortSignal): Promise<Lease>
  /**
   * Whether the router still knows what it has forwarded: one that was restarted does not. Absent where asking again costs no more.
   *
   * @throws NoMapping when it does not answer.
   */
  check?(signal: AbortSignal): Promise<boolean>
  /**
   * Asks to forward nothing any more.
   *
   * @throws NoMapping when the router does not answer, or refuses.
   */
  unmap(signal: AbortSignal): Promise<void>
}

/** A router did not do as it was asked. The message says why. Never leaves port mapping. */
export class NoMapping extends Error {
  override readonly name = 'NoMapping'
}
