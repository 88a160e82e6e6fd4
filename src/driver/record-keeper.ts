import type { TicketParts } from './engine.js'

/** What a peer says about itself in an address record. */
export interface RecordParts {
  readonly endpoint: TicketParts
  /** What the application adds. */
  readonly userData?: string | undefined
}

/** Signs and reads address records: what discovery needs of a core. The secret key stays in the core. */
export interface RecordKeeper {
  /**
   * Signs what this peer says about itself.
   *
   * @param ttlSeconds how long DNS caches may keep the record.
   * @param timestampMicros since the Unix epoch, below 2^53.
   * @returns a signed packet of pkarr, without the id.
   * @throws (by rejection) AnypathError `InvalidArgument` when a record can't say it, `PeerClosed` when the core is gone.
   */
  signRecord(parts: RecordParts, ttlSeconds: number, timestampMicros: number): Promise<Uint8Array>
  /**
   * Checks what was found under an id, a signed packet of pkarr without the id, and reads it.
   *
   * @throws (by rejection) AnypathError `InvalidRecord` when it is malformed or not signed by that id, `PeerClosed` when the core is gone.
   */
  readRecord(id: Uint8Array, packet: Uint8Array): Promise<RecordParts & { readonly timestampMicros: bigint }>
}
