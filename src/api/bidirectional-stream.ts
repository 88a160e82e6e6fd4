import type { ReceiveStream } from './receive-stream.js'
import type { SendStream } from './send-stream.js'

/** Both sides of one stream (W3C `WebTransportBidirectionalStream`). The two sides end independently of each other. */
export interface BidirectionalStream {
  readonly readable: ReceiveStream
  readonly writable: SendStream
}

/** How a stream is opened. */
export interface StreamOptions {
  /** Streams with a larger number are sent first. @default 0 */
  readonly sendOrder?: number
  /**
   * Waits while the remote allows no more streams. With `false` the call rejects with `StreamLimitError` instead, as the W3C interface
   * does by default.
   *
   * @default true
   */
  readonly waitUntilAvailable?: boolean
}
