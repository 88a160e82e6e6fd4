import { type AnypathError, createError, InvalidArgumentError } from '../errors/index.js'
import type { CloseEvent, CloseInfo } from './connection-events.js'

/** Numbers of the error table: how a connection ends that an application closed. */
export const CLOSED_BY_PEER = 20
export const CLOSED_LOCALLY = 21

/** What calls on a connection that is over reject with. */
export function goneError(end: CloseEvent): AnypathError {
  if (end.error !== undefined) return end.error
  const { closeCode, reason } = end
  const text = reason === '' ? `code ${closeCode}` : `code ${closeCode}: ${reason}`
  return end.by === 'remote'
    ? createError(CLOSED_BY_PEER, `the remote closed the connection (${text})`, { closeCode, reason })
    : createError(CLOSED_LOCALLY, `the connection was closed here (${text})`, { closeCode, reason })
}

const LARGEST_CLOSE_CODE = 0xffff_ffff
const MAX_REASON_BYTES = 1024

/**
 * What a connection or session is closed with, of what an application gave: code 0 and an empty reason by default.
 *
 * @throws InvalidArgumentError when `closeCode` is no whole number up to 2^32 - 1.
 */
export function closeInfoOf({ closeCode, reason }: Partial<CloseInfo>): CloseInfo {
  const code = closeCode ?? 0
  if (!Number.isInteger(code) || code < 0 || code > LARGEST_CLOSE_CODE) {
    throw new InvalidArgumentError(`closeCode must be a whole number up to ${LARGEST_CLOSE_CODE}`)
  }
  return { closeCode: code, reason: cutText(reason ?? '', MAX_REASON_BYTES) }
}

/** Cuts a text to a number of UTF-8 bytes without splitting a character. */
function cutText(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text)
  if (bytes.length <= maxBytes) return text
  // A character that was cut in two is left out: `stream` makes the decoder wait for the rest of it.
  return new TextDecoder().decode(bytes.subarray(0, maxBytes), { stream: true })
}
