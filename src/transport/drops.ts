/** Counts of packets that were dropped, by cause. */
export class DropCounts {
  readonly counts: Record<string, number> = {}

  add(cause: string, packets = 1): void {
    this.counts[cause] = (this.counts[cause] ?? 0) + packets
  }
}

/** How many packets one `send` has. */
export function packetCount(packets: Uint8Array, segmentBytes: number): number {
  return segmentBytes === 0 ? 1 : Math.ceil(packets.length / segmentBytes)
}
