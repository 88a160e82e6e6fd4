/**
 * The error table that the Rust core and TypeScript share: `[number, name, retryable]`. Numbers never change their meaning.
 *
 * `retryable` says whether the same call may succeed later without anything being changed by the caller.
 */
export const ERROR_TABLE = [
  [1, 'InternalError', false],
  [2, 'InvalidArgument', false],
  [3, 'InvalidConfig', false],
  [4, 'InvalidTicket', false],
  [5, 'InvalidKey', false],
  [6, 'NoAddress', false],
  [7, 'NoRelayConfigured', false],
  [8, 'RelayUnreachable', true],
  [9, 'RelayDenied', false],
  [10, 'Unreachable', true],
  [11, 'WrongKey', false],
  [12, 'AlpnNotServed', false],
  [13, 'Refused', true],
  [14, 'HandshakeFailed', false],
  [15, 'VersionMismatch', false],
  [16, 'TooManyConnections', true],
  [20, 'ClosedByPeer', true],
  [21, 'ClosedLocally', false],
  [22, 'IdleTimeout', true],
  [23, 'PeerRestarted', true],
  [24, 'ProtocolViolation', false],
  [25, 'TransportClosedByPeer', true],
  [30, 'StreamReset', false],
  [31, 'StreamStopped', false],
  [32, 'StreamClosed', false],
  [33, 'StreamLimit', true],
  [34, 'DatagramTooLarge', false],
  [35, 'DatagramsUnsupported', false],
  [36, 'EarlyDataRejected', true],
  [40, 'TransportFailed', true],
  [41, 'AddressInUse', false],
  [42, 'KeyInUse', false],
  [43, 'InvalidRecord', false],
  [44, 'StorageUnavailable', false],
  [50, 'PeerClosed', false],
  [51, 'Aborted', false],
] as const

/** The name of an error, as in `error.code`. */
export type ErrorCode = (typeof ERROR_TABLE)[number][1]

/** The number of an error, as in `error.number` and in the core's records. */
export type ErrorNumber = (typeof ERROR_TABLE)[number][0]

interface ErrorRow {
  readonly number: ErrorNumber
  readonly code: ErrorCode
  readonly retryable: boolean
}

const rows: readonly ErrorRow[] = ERROR_TABLE.map(([number, code, retryable]) => ({ number, code, retryable }))
const byNumber: ReadonlyMap<number, ErrorRow> = new Map(rows.map((row) => [row.number, row]))
const byCode: ReadonlyMap<string, ErrorRow> = new Map(rows.map((row) => [row.code, row]))

/** The row of a number or name. One that is not in the table gives the row of `InternalError`. */
export function errorRow(numberOrCode: number | string): ErrorRow {
  const row = typeof numberOrCode === 'number' ? byNumber.get(numberOrCode) : byCode.get(numberOrCode)
  return row ?? { number: 1, code: 'InternalError', retryable: false }
}
