import type { Engine, WebTransportEvent } from '../../driver/engine.js'
import { type AnypathError, createError } from '../../errors/index.js'
import type { BidirectionalStream, StreamOptions } from '../bidirectional-stream.js'
import { CLOSED_BY_PEER, CLOSED_LOCALLY, closeInfoOf, goneError } from '../close.js'
import type { CloseEvent, CloseInfo } from '../connection-events.js'
import { type ConnectionStats, connectionStats } from '../connection-stats.js'
import { ConnectionStreams } from '../connection-streams.js'
import { Datagrams } from '../datagrams.js'
import { type Deferred, deferred } from '../deferred.js'
import type { WebTransportRequest } from '../peer-options.js'
import type { ReceiveStream } from '../receive-stream.js'
import type { SendStream } from '../send-stream.js'
import { tlsInfo } from '../tls-names.js'

/**
 * A session that a browser, or another WebTransport client, opened to this peer over HTTP/3 (draft-ietf-webtrans-http3). It implements the
 * W3C WebTransport interface (https://www.w3.org/TR/webtransport/) from the server's side.
 *
 * The client is anonymous: what is known of it is where it is and what it says in its request.
 */
export class WebTransportSession {
  /** The IP address of the client. */
  readonly host: string
  readonly port: number
  /** The host and port of the URL that the client dialled. */
  readonly authority: string
  /** The path of that URL, with its query. */
  readonly path: string
  /** The origin of the page (RFC 6454), as a browser tells it truly; empty where the client is none. */
  readonly origin: string
  readonly #id: number
  readonly #engine: Engine
  readonly #streams: ConnectionStreams
  readonly #datagrams: Datagrams
  readonly #ready: Deferred<void> = deferred()
  readonly #closed: Deferred<CloseInfo> = deferred()
  readonly #draining: Deferred<void> = deferred()
  #end: CloseEvent | undefined

  /** @internal */
  constructor(engine: Engine, id: number, request: WebTransportRequest, now: () => number) {
    this.host = request.host
    this.port = request.port
    this.authority = request.authority
    this.path = request.path
    this.origin = request.origin
    this.#id = id
    this.#engine = engine
    this.#datagrams = new Datagrams(engine, id, now)
    this.#streams = new ConnectionStreams(engine, id)
    // The getter `datagrams.maxDatagramSize` answers at once, so it has to be known when `ready` is.
    void this.#datagrams.refresh().then(() => this.#ready.resolve())
  }

  /** Resolves when the session can be used, which is at once: the application gets it accepted. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /**
   * Resolves when either side closed the session, with the code and reason. Rejects with the error that ended it otherwise:
   * `IdleTimeoutError`, `TransportClosedByPeerError` when the client went away without a word, `ProtocolViolationError`, `InternalError`.
   */
  get closed(): Promise<CloseInfo> {
    return this.#closed.promise
  }

  /** Resolves when the session begins to close. */
  get draining(): Promise<void> {
    return this.#draining.promise
  }

  get reliability(): 'supports-unreliable' {
    return 'supports-unreliable'
  }

  /** Kept for the W3C interface: the congestion controller is chosen at `Peer.create`. */
  get congestionControl(): 'default' {
    return 'default'
  }

  /** Kept for the W3C interface: no protocol is negotiated within a session. */
  get protocol(): '' {
    return ''
  }

  get datagrams(): Datagrams {
    return this.#datagrams
  }

  /** Bidirectional streams that the client opened. */
  get incomingBidirectionalStreams(): ReadableStream<BidirectionalStream> {
    return this.#streams.bidirectional
  }

  /** Unidirectional streams that the client opened. */
  get incomingUnidirectionalStreams(): ReadableStream<ReceiveStream> {
    return this.#streams.unidirectional
  }

  /**
   * Opens a stream both ways. The client learns of it at once.
   *
   * @throws StreamLimitError when the client allows no more and `waitUntilAvailable` is false; otherwise the session's error.
   */
  async createBidirectionalStream(options: StreamOptions = {}): Promise<BidirectionalStream> {
    return this.#streams.openBidirectional(options)
  }

  /**
   * Opens a stream to the client. It learns of it at once.
   *
   * @throws StreamLimitError when the client allows no more and `waitUntilAvailable` is false; otherwise the session's error.
   */
  async createUnidirectionalStream(options: StreamOptions = {}): Promise<SendStream> {
    return this.#streams.openUnidirectional(options)
  }

  /** Measures the QUIC connection beneath, which a client's sessions may share. Rejects with the session's error when it is gone. */
  async getStats(): Promise<Omit<ConnectionStats, 'tls'>> {
    if (this.#end !== undefined) throw goneError(this.#end)
    const stats = await this.#engine.connectionStats(this.#id)
    await this.#datagrams.refresh()
    const { tls: _, ...measured } = connectionStats(stats, tlsInfo(0, 0, false), this.#datagrams.drops)
    return measured
  }

  /**
   * Closes the session and its streams. What was not acknowledged is lost. Idempotent.
   *
   * @param info `closeCode` is a whole number up to 2^32 - 1 (default 0); `reason` is cut to 1,024 bytes of UTF-8 (default empty).
   * @throws InvalidArgumentError when `closeCode` is not such a number.
   */
  close(info: Partial<CloseInfo> = {}): void {
    const { closeCode, reason } = closeInfoOf(info)
    if (this.#end === undefined) this.#engine.closeConnection(this.#id, closeCode, reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.closed.catch(() => {})
  }

  /** @internal Whether it is over. */
  get isOver(): boolean {
    return this.#end !== undefined
  }

  /** @internal Takes one event of this session. */
  handle(event: WebTransportEvent): void {
    switch (event.type) {
      case 'stream':
        return this.#streams.opened(event.streamId, event.bidirectional)
      case 'stopped':
        return this.#streams.stopped(event.streamId, event.code)
      case 'datagram':
        return this.#datagrams.receive(event.bytes)
      case 'closed': {
        const { code, by, wireCode: closeCode, reason } = event
        if (code === CLOSED_LOCALLY || code === CLOSED_BY_PEER) return this.#finish({ closeCode, reason, by })
        return this.fail(createError(code, reason, { closeCode, reason }))
      }
    }
  }

  /** @internal What bears it is gone. */
  fail(error: AnypathError): void {
    this.#finish({ closeCode: 0, reason: '', by: 'transport', error })
  }

  #finish(end: CloseEvent): void {
    if (this.#end !== undefined) return
    this.#end = end
    const how = end.error ?? 'closed'
    this.#streams.end(how, goneError(end))
    this.#datagrams.end(how)
    this.#draining.resolve()
    if (end.error === undefined) this.#closed.resolve({ closeCode: end.closeCode, reason: end.reason })
    else this.#closed.reject(end.error)
  }
}
