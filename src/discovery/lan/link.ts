/** Multicast DNS has a group in each family. */
export type Family = 4 | 6

export const FAMILIES: readonly Family[] = [4, 6]

/** Where a packet came from. */
export interface LinkSource {
  readonly host: string
  readonly port: number
  readonly family: Family
}

/** The multicast group of mDNS on every link of this machine. */
export interface Link {
  /** Sends to the group on every interface. What can't be sent is counted. */
  send(packet: Uint8Array, family: Family): void
  /** Whether an address is that of a machine on one of these links; link-local IPv6 included. */
  isNeighbour(host: string): boolean
  /** Whether it is such an address, and one that can be dialled: not of a group, not a broadcast, and none that needs a zone. */
  isDialable(host: string): boolean
  /** Leaves, after what was sent is on its way. Never rejects. Idempotent. */
  close(): Promise<void>
}

/** What a link tells. */
export interface LinkEvents {
  /** A packet for the group, or for this machine's port of mDNS. */
  readonly received: (packet: Uint8Array, source: LinkSource) => void
  /** Something was dropped. */
  readonly dropped: (cause: string) => void
}

/**
 * Joins the group.
 *
 * @throws (by rejection) AddressInUseError when the port of mDNS is taken by a program that does not share it; TransportFailedError.
 */
export type OpenLink = (events: LinkEvents) => Promise<Link>

/** The time by which things are repeated and forgotten. Timers must not by themselves keep a process alive. */
export interface LanClock {
  /** Milliseconds on a monotonic clock. */
  now(): number
  setTimeout(callback: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
}
