import { type ErrorCode, type ErrorNumber, errorRow } from './codes.js'

/** What an error may carry besides its message. */
export interface AnypathErrorOptions {
  /** What caused it: an error of the operating system, an abort reason, the core's own error. */
  readonly cause?: unknown
  /** The application's code of a reset or stopped stream. */
  readonly streamErrorCode?: number | null
  /** The application's (or QUIC's) code of a closed connection. */
  readonly closeCode?: number | null
  /** The reason text that came with `closeCode`. */
  readonly reason?: string
}

/**
 * The base class of every error that this library throws or rejects with.
 *
 * It also has the attributes of the W3C `WebTransportError` (`source`, `streamErrorCode`), so that code written for one reads the
 * other.
 */
export class AnypathError extends Error {
  /** The error's name in the table: stable, and the thing to compare. */
  readonly code: ErrorCode
  /** The error's number in the table, the same in the Rust core. */
  readonly number: ErrorNumber
  /** Whether the same call may succeed later with nothing changed. */
  readonly retryable: boolean
  /** The application's code of a reset or stopped stream; `null` for every other error. */
  readonly streamErrorCode: number | null
  /** The code that the connection was closed with; `null` where there is none. */
  readonly closeCode: number | null
  /** The reason text that the connection was closed with; empty where there is none. */
  readonly reason: string

  constructor(code: ErrorCode, message: string, options: AnypathErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    const row = errorRow(code)
    this.code = row.code
    this.number = row.number
    this.retryable = row.retryable
    this.streamErrorCode = options.streamErrorCode ?? null
    this.closeCode = options.closeCode ?? null
    this.reason = options.reason ?? ''
  }

  /** What failed: one stream, or the whole connection (a "session" in WebTransport's words). */
  get source(): 'stream' | 'session' {
    return (this.number >= 30 && this.number <= 33) || this.number === 36 ? 'stream' : 'session'
  }
}

// On the prototype and not from the class: a bundler may rename classes.
Object.defineProperty(AnypathError.prototype, 'name', { value: 'AnypathError', configurable: true, writable: true })
