import type { CoreRefusal } from '../core/core.js'
import type { ClosedRecord } from '../core/records.js'
import { type AnypathError, createError } from '../errors/index.js'

const CLOSED_TEXT: Readonly<Record<number, string>> = {
  10: 'no address answered in time',
  11: 'somebody answered and proved another key',
  12: 'the remote serves none of the offered protocols',
  13: 'the remote refused the connection',
  14: 'the handshake failed',
  15: 'the remote speaks no common version of QUIC',
  16: 'there are too many connections',
  20: 'the remote closed the connection',
  21: 'this side closed the connection',
  22: 'nothing came from the remote for the idle timeout',
  23: 'the remote lost its state',
  24: 'the remote broke the protocol',
  25: "the remote's QUIC closed the connection",
}

const STREAM_TEXT: Readonly<Record<number, string>> = {
  30: 'the remote abandoned the stream',
  31: 'the remote stopped reading the stream',
  32: 'the stream is finished, reset or stopped on this side',
  34: 'the datagram is larger than the path carries',
  35: 'the remote takes no datagrams',
}

/** The error of a closed connection, with which everything that waits for it is rejected. */
export function closedError({ code, wireCode, reason }: ClosedRecord): AnypathError {
  const text = CLOSED_TEXT[code] ?? 'the connection is closed'
  return createError(code, reason === '' ? text : `${text}: ${reason}`, { closeCode: wireCode, reason })
}

/** The error of a refused call on a stream or datagram. */
export function refusalError({ code, detail }: CoreRefusal): AnypathError {
  const text = STREAM_TEXT[code] ?? CLOSED_TEXT[code] ?? ''
  const ofRemote = code === 30 || code === 31
  return ofRemote ? createError(code, `${text} (code ${detail})`, { streamErrorCode: detail }) : createError(code, text)
}

/** The error of a stream that the remote stopped. */
export function stoppedError(code: number): AnypathError {
  return createError('StreamStopped', `${STREAM_TEXT[31]} (code ${code})`, { streamErrorCode: code })
}

/** The error of calls that were waiting when this side gave the stream up. */
export function streamClosedError(): AnypathError {
  return createError('StreamClosed', STREAM_TEXT[32] ?? '')
}

/** The error of calls on a connection that the core has forgotten. */
export function forgottenError(): AnypathError {
  return createError('ClosedLocally', 'the connection is closed')
}
