import * as classes from './classes.js'
import { type ErrorCode, errorRow } from './codes.js'
import type { AnypathError, AnypathErrorOptions } from './error.js'

type ErrorClass = new (message: string, options?: AnypathErrorOptions) => AnypathError

const classByCode: Readonly<Record<ErrorCode, ErrorClass>> = {
  InternalError: classes.InternalError,
  InvalidArgument: classes.InvalidArgumentError,
  InvalidConfig: classes.InvalidConfigError,
  InvalidTicket: classes.InvalidTicketError,
  InvalidKey: classes.InvalidKeyError,
  NoAddress: classes.NoAddressError,
  NoRelayConfigured: classes.NoRelayConfiguredError,
  RelayUnreachable: classes.RelayUnreachableError,
  RelayDenied: classes.RelayDeniedError,
  Unreachable: classes.UnreachableError,
  WrongKey: classes.WrongKeyError,
  AlpnNotServed: classes.AlpnNotServedError,
  Refused: classes.RefusedError,
  HandshakeFailed: classes.HandshakeFailedError,
  VersionMismatch: classes.VersionMismatchError,
  TooManyConnections: classes.TooManyConnectionsError,
  ClosedByPeer: classes.ClosedByPeerError,
  ClosedLocally: classes.ClosedLocallyError,
  IdleTimeout: classes.IdleTimeoutError,
  PeerRestarted: classes.PeerRestartedError,
  ProtocolViolation: classes.ProtocolViolationError,
  TransportClosedByPeer: classes.TransportClosedByPeerError,
  StreamReset: classes.StreamResetError,
  StreamStopped: classes.StreamStoppedError,
  StreamClosed: classes.StreamClosedError,
  StreamLimit: classes.StreamLimitError,
  DatagramTooLarge: classes.DatagramTooLargeError,
  DatagramsUnsupported: classes.DatagramsUnsupportedError,
  EarlyDataRejected: classes.EarlyDataRejectedError,
  TransportFailed: classes.TransportFailedError,
  AddressInUse: classes.AddressInUseError,
  KeyInUse: classes.KeyInUseError,
  InvalidRecord: classes.InvalidRecordError,
  StorageUnavailable: classes.StorageUnavailableError,
  PeerClosed: classes.PeerClosedError,
  Aborted: classes.AbortedError,
}

/**
 * Makes the error of a row of the table, as an instance of its own class.
 *
 * @param numberOrCode a number or name of the table; one that is unknown gives an `InternalError`.
 * @param message what happened, for a person. An empty one is replaced by the error's name.
 */
export function createError(
  numberOrCode: number | ErrorCode,
  message: string,
  options?: AnypathErrorOptions,
): AnypathError {
  const { code } = errorRow(numberOrCode)
  return new classByCode[code](message === '' ? code : message, options)
}
