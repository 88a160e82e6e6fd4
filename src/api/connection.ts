import type { ConnectedInfo, Engine, EngineEvent, PathInfo, SessionState } from '../driver/engine.js'
import { createError } from '../errors/index.js'
import type { Logger } from '../observe/logger.js'
import type { BidirectionalStream, StreamOptions } from './bidirectional-stream.js'
import { CLOSED_BY_PEER, CLOSED_LOCALLY, closeInfoOf, goneError } from './close.js'
import type { CloseEvent, CloseInfo, ConnectionEvents, StateEvent } from './connection-events.js'
import { type ConnectionStats, connectionStats } from './connection-stats.js'
import { ConnectionStreams } from './connection-streams.js'
import { Datagrams } from './datagrams.js'
import { type Deferred, deferred } from './deferred.js'
import { Emitter, type Listener } from './emitter.js'
import { idToText } from './identity.js'
import { PathTable } from './path-table.js'
import type { ReceiveStream } from './receive-stream.js'
import type { SendStream } from './send-stream.js'
import { type TlsInfo, tlsInfo } from './tls-names.js'

const INTERNAL_ERROR = 1

/** @internal What a connection needs from its peer. */
export interface ConnectionContext {
  readonly engine: Engine
  readonly logger: Logger | undefined
  readonly now: () => number
}

/**
 * An end-to-end encrypted QUIC connection with one remote peer. It implements the W3C WebTransport interface
 * (https://www.w3.org/TR/webtransport/), so that code written for a WebTransport server works with a peer.
 *
 * It lives as long as its QUIC connection does, over whatever paths; `peer.session(id)` outlives it.
 */
export class Connection {
  readonly #id: number
  readonly #context: ConnectionContext
  readonly #emitter: Emitter<ConnectionEvents>
  readonly #paths = new PathTable()
  readonly #ready: Deferred<void> = deferred()
  readonly #closed: Deferred<CloseInfo> = deferred()
  readonly #draining: Deferred<void> = deferred()
  readonly #streams: ConnectionStreams
  readonly #datagrams: Datagrams
  /** @internal Where sessions may be opened to the remote that was dialled, as its ticket has it. */
  webTransportAddresses: readonly Uint8Array[] = []
  #incoming = false
  #remoteId = ''
  #alpn = ''
  #usable: Deferred<void> | undefined
  #state: SessionState = 'connecting'
  #tls: TlsInfo = tlsInfo(0, 0, false)
  #handshake: 'waiting' | 'early' | 'done' = 'waiting'
  #earlyDataAccepted: boolean | undefined
  #end: CloseEvent | undefined

  /** @internal */
  constructor(context: ConnectionContext, id: number) {
    this.#id = id
    this.#context = context
    this.#emitter = new Emitter(context.logger)
    this.#datagrams = new Datagrams(context.engine, id, context.now)
    this.#streams = new ConnectionStreams(context.engine, id)
  }

  /** Whether the remote dialled. */
  get incoming(): boolean {
    return this.#incoming
  }

  /**
   * The remote's public key, 64 hexadecimal digits, as the handshake proved it. Empty on an incoming connection that is used before
   * `ready` (early data only).
   */
  get remoteId(): string {
    return this.#remoteId
  }

  /** The application protocol that both sides agreed on (RFC 7301). */
  get alpn(): string {
    return this.#alpn
  }

  /** The W3C interface's name for `alpn`. */
  get protocol(): string {
    return this.#alpn
  }

  /** The state of the session with the remote: `direct` when all is well, `recovering` when the remote fell silent. */
  get state(): SessionState {
    return this.#state
  }

  /** The open paths, the one that carries data at the front; the others are backups. */
  get paths(): readonly PathInfo[] {
    return this.#paths.all()
  }

  /** The round-trip time, milliseconds, as the last event or `getStats` told it; 0 before `ready`. */
  get rttMs(): number {
    return this.#paths.rttMs
  }

  /** What the TLS handshake negotiated. */
  get tls(): TlsInfo {
    return this.#tls
  }

  /** Whether the remote took the early data; `undefined` when none was offered, and until it has answered. */
  get earlyDataAccepted(): boolean | undefined {
    return this.#earlyDataAccepted
  }

  /** Resolves when the remote is authenticated. Rejects with what went wrong when that never happens. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /**
   * Resolves when either application closed the connection, with its code and reason. Rejects with the error that ended it otherwise:
   * `IdleTimeoutError`, `PeerRestartedError`, `TransportClosedByPeerError`, `ProtocolViolationError`, `InternalError`.
   */
  get closed(): Promise<CloseInfo> {
    return this.#closed.promise
  }

  /** Resolves when the connection begins to close. */
  get draining(): Promise<void> {
    return this.#draining.promise
  }

  /** `supports-unreliable` once connected: datagrams and streams. */
  get reliability(): 'pending' | 'supports-unreliable' {
    return this.#handshake === 'waiting' ? 'pending' : 'supports-unreliable'
  }

  /** Kept for the W3C interface: the congestion controller is chosen at `Peer.create`. */
  get congestionControl(): 'default' {
    return 'default'
  }

  get datagrams(): Datagrams {
    return this.#datagrams
  }

  /** Bidirectional streams that the remote opened. */
  get incomingBidirectionalStreams(): ReadableStream<BidirectionalStream> {
    return this.#streams.bidirectional
  }

  /** Unidirectional streams that the remote opened. */
  get incomingUnidirectionalStreams(): ReadableStream<ReceiveStream> {
    return this.#streams.unidirectional
  }

  /**
   * Opens a stream both ways. The remote learns of it with the first bytes.
   *
   * @throws StreamLimitError when the remote allows no more and `waitUntilAvailable` is false; otherwise the connection's error.
   */
  async createBidirectionalStream(options: StreamOptions = {}): Promise<BidirectionalStream> {
    return this.#streams.openBidirectional(options)
  }

  /**
   * Opens a stream to the remote. It learns of it with the first bytes.
   *
   * @throws StreamLimitError when the remote allows no more and `waitUntilAvailable` is false; otherwise the connection's error.
   */
  async createUnidirectionalStream(options: StreamOptions = {}): Promise<SendStream> {
    return this.#streams.openUnidirectional(options)
  }

  /** Measures now. Rejects with the connection's error when it is gone. */
  async getStats(): Promise<ConnectionStats> {
    if (this.#end !== undefined) throw goneError(this.#end)
    const stats = await this.#context.engine.connectionStats(this.#id)
    this.#paths.measured(stats)
    await this.#datagrams.refresh()
    return connectionStats(stats, this.#tls, this.#datagrams.drops)
  }

  /** Sends a PING, so that the round-trip time is measured again (RFC 9000 section 19.2); `getStats` tells it. */
  ping(): void {
    this.#context.engine.ping(this.#id)
  }

  /**
   * Changes the keys of both directions now (RFC 9001 section 6). They also change by themselves when they are due. Only the side that dialled
   * does it; on the other one the call does nothing.
   */
  updateKeys(): void {
    this.#context.engine.keyUpdate(this.#id)
  }

  /**
   * Closes the connection. What was not acknowledged is lost: `close()` the streams first and wait for that. Idempotent.
   *
   * @param info `closeCode` is a whole number up to 2^32 - 1 (default 0); `reason` is cut to 1,024 bytes of UTF-8 (default empty).
   * @throws InvalidArgumentError when `closeCode` is not such a number.
   */
  close(info: Partial<CloseInfo> = {}): void {
    const { closeCode, reason } = closeInfoOf(info)
    if (this.#end === undefined) this.#context.engine.closeConnection(this.#id, closeCode, reason)
  }

  /** Calls `listener` at each event of that name. What it throws is logged and harms nobody. */
  on<K extends keyof ConnectionEvents>(type: K, listener: Listener<ConnectionEvents[K]>): void {
    this.#emitter.on(type, listener)
  }

  /** Ends what `on` began. */
  off<K extends keyof ConnectionEvents>(type: K, listener: Listener<ConnectionEvents[K]>): void {
    this.#emitter.off(type, listener)
  }

  /** Closes the connection and waits until that is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.closed.catch(() => {})
  }

  /** @internal Takes one event of this connection. */
  handle(event: EngineEvent): void {
    switch (event.type) {
      case 'connected':
        return this.#connected(event.info)
      case 'stream':
        return this.#streams.opened(event.streamId, event.bidirectional)
      case 'stopped':
        return this.#streams.stopped(event.streamId, event.code)
      case 'datagram':
        return this.#datagrams.receive(event.bytes)
      case 'path':
        this.#paths.apply(event.change, event.path)
        return this.#emitter.emit('path', { ...event.path, change: event.change })
      case 'state': {
        this.#state = event.to
        return this.#emitter.emit('state', this.stateEvent(event))
      }
      case 'search': {
        const pair = event.search.found === 'nothing' ? undefined : this.#paths.pair()
        return this.#emitter.emit('search', { ...event.search, ...(pair && { pair }) })
      }
      case 'early-data':
        this.#earlyDataAccepted = event.accepted
        return this.#streams.earlyDataAnswered(event.accepted)
      case 'closed':
        return this.#close(event.code, event.by, event.wireCode, event.reason)
      case 'failed':
        return this.#finish({
          closeCode: 0,
          reason: '',
          by: 'transport',
          error: createError(event.code ?? INTERNAL_ERROR, event.message),
        })
    }
  }

  /** @internal The event as the application gets it. */
  stateEvent({ from, to, cause, elapsedMs }: EngineEvent & { type: 'state' }): StateEvent {
    const pair = this.#paths.pair()
    return { from, to, cause, elapsedMs, ...(pair && { pair }) }
  }

  /** @internal */
  get id(): number {
    return this.#id
  }

  /** @internal Whether it has been usable at all. */
  get connected(): boolean {
    return this.#handshake !== 'waiting'
  }

  /** @internal Says whom this side dialled, and at which addresses WebTransport sessions may be opened. */
  dialled(remoteId: string, alpn: string, webTransport: readonly Uint8Array[] = []): void {
    this.#remoteId = remoteId
    this.webTransportAddresses = webTransport
    this.#alpn = alpn
  }

  /** @internal Resolves when streams can be opened: with early data before `ready`. Rejects as `ready` does. */
  get usable(): Promise<void> {
    if (this.#usable === undefined) {
      this.#usable = deferred()
      this.#settleUsable()
    }
    return this.#usable.promise
  }

  /** @internal How it ended, once it has. */
  get end(): CloseEvent | undefined {
    return this.#end
  }

  #settleUsable(): void {
    if (this.#end !== undefined) this.#usable?.reject(goneError(this.#end))
    else if (this.#handshake !== 'waiting') this.#usable?.resolve()
  }

  #connected(info: ConnectedInfo): void {
    this.#incoming = info.incoming
    this.#alpn = new TextDecoder().decode(info.alpn)
    this.#paths.apply('established', info.path)
    if (!info.early) {
      this.#remoteId = idToText(info.remoteId)
      this.#tls = tlsInfo(info.group, info.cipher, info.resumed)
    }
    this.#handshake = info.early ? 'early' : 'done'
    this.#streams.early = info.early && !info.incoming
    this.#settleUsable()
    // The getter `datagrams.maxDatagramSize` answers at once, so it has to be known when `ready` is.
    void this.#datagrams.refresh().then(() => {
      if (!info.early && this.#end === undefined) this.#ready.resolve()
    })
  }

  #close(code: number, by: CloseEvent['by'], wireCode: number, reason: string): void {
    if (code === CLOSED_LOCALLY || code === CLOSED_BY_PEER) return this.#finish({ closeCode: wireCode, reason, by })
    const error = createError(code, reason, { closeCode: wireCode, reason })
    this.#finish({ closeCode: wireCode, reason, by, error })
  }

  #finish(end: CloseEvent): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#state = 'closed'
    const error = goneError(end)
    this.#ready.reject(error)
    this.#settleUsable()
    const how = end.error ?? 'closed'
    this.#streams.end(how, error)
    this.#datagrams.end(how)
    this.#draining.resolve()
    if (end.error === undefined) this.#closed.resolve({ closeCode: end.closeCode, reason: end.reason })
    else this.#closed.reject(end.error)
    this.#emitter.emit('close', end)
  }
}
