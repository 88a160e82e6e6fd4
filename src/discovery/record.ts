import type { TicketAddress } from './address.js'

/** What a peer says about itself in a record. */
export interface PublishedContent {
  /** Where it can be reached now. */
  readonly addresses: readonly TicketAddress[]
  /** What the application adds: at most 235 bytes of UTF-8. Stock iroh peers read it up to its first `=`. */
  readonly userData?: string | undefined
}

/** A record whose signature is right. */
export interface SignedRecord extends PublishedContent {
  /** When it was made, microseconds since the Unix epoch; of two records of one peer the later one counts. */
  readonly timestampMicros: bigint
}

/**
 * Checks what was found under an id, and reads it. The peer's core does that.
 *
 * @param remoteId 64 lower-case hexadecimal digits.
 * @param packet a signed packet of pkarr without the id: signature, timestamp, DNS message.
 * @throws (by rejection) InvalidRecordError when it is malformed or not signed by that id.
 */
export type ReadRecord = (remoteId: string, packet: Uint8Array) => Promise<SignedRecord>

/** The peer that publishes, as those who publish for it see it. */
export interface PublishingPeer {
  /** 64 lower-case hexadecimal digits. */
  readonly id: string
  /**
   * Signs a record with the peer's secret key, which stays in the core.
   *
   * @param ttlSeconds how long DNS caches may keep it.
   * @param timestampMicros since the Unix epoch, below 2^53.
   * @returns a signed packet of pkarr without the id.
   * @throws (by rejection) InvalidArgumentError when a record can't say it.
   */
  signRecord(content: PublishedContent, ttlSeconds: number, timestampMicros: number): Promise<Uint8Array>
  readonly readRecord: ReadRecord
  readonly clock: PublishingClock
  readonly logger?: PublishingLogger | undefined
}

/** What publishing needs of a clock; every `Clock` has it. */
export interface PublishingClock {
  /** Milliseconds since the Unix epoch. */
  epochMs(): number
  /** Calls back once after about `delayMs`. Must not by itself keep a process alive. */
  setTimeout(callback: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
}

/** What publishing needs of a logger; every `Logger` has it. */
export interface PublishingLogger {
  debug(message: string, fields?: Readonly<Record<string, string | number | boolean>>): void
  warn(message: string, fields?: Readonly<Record<string, string | number | boolean>>): void
}
