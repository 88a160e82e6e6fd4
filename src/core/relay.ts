import type { ByteReader } from './bytes.js'

/** Relay ids are carrier ids from here on. */
export const FIRST_RELAY = 0x8000_0000

/** What the core tells of a relay; `state` and `cause` by their numbers in `docs/boundary.md`. */
export interface RelayRecord {
  readonly state: number
  readonly home: boolean
  readonly cause: number
  /** Not a number when it was never measured. */
  readonly latencyMs: number
  /** Not a number when no further try is planned. */
  readonly retryInMs: number
  readonly url: string
  readonly detail: string
}

/** Whether a carrier's id is that of a relay. */
export function isRelay(carrier: number): boolean {
  return carrier >= FIRST_RELAY
}

/** Reads the payload of a RELAY record. */
export function readRelay(reader: ByteReader): RelayRecord {
  return {
    state: reader.u8(),
    home: reader.bool(),
    cause: reader.u8(),
    latencyMs: reader.f64(),
    retryInMs: reader.f64(),
    url: reader.text(reader.u16()),
    detail: reader.text(reader.u16()),
  }
}
