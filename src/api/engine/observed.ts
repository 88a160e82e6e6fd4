import type { ConnectRequest, Engine, EngineEvent } from '../../driver/engine.js'
import { type AnypathError, createError, toAnypathError } from '../../errors/index.js'
import type { Logger } from '../../observe/logger.js'
import { PeerMetrics } from '../../observe/metrics.js'
import { type Meter, type Span, SpanKind, SpanStatus, type Tracer } from '../../observe/opentelemetry.js'
import { idToText } from '../identity.js'
import type { Platform } from '../platform.js'
import { ForwardingEngine } from './forwarding.js'

/** Where observations go; each is optional. */
export interface Observers {
  readonly meter: Meter | undefined
  /** Further instruments for the meter. */
  readonly instruments: Platform['instruments']
  readonly tracer: Tracer | undefined
  readonly logger: Logger | undefined
  /** Called when the core has forgotten a connection. */
  readonly drained: (connectionId: number) => void
  readonly now: () => number
}

interface Observed {
  direction: 'incoming' | 'outgoing'
  authenticated: boolean
  dial?: { readonly startedAt: number; readonly span: Span | undefined }
}

/** Counts, times and traces what goes through an engine. */
export class ObservedEngine extends ForwardingEngine {
  readonly #observers: Observers
  readonly #metrics: PeerMetrics | undefined
  readonly #connections = new Map<number, Observed>()
  #listener: (event: EngineEvent) => void = () => {}

  constructor(inner: Engine, observers: Observers) {
    super(inner)
    this.#observers = observers
    this.#metrics = observers.meter && new PeerMetrics(observers.meter, () => inner.peerStats(), observers.instruments)
    inner.onEvent((event) => {
      this.#observe(event)
      this.#listener(event)
    })
  }

  override onEvent(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  override async connect(request: ConnectRequest): Promise<number> {
    const startedAt = this.#observers.now()
    const span = this.#observers.tracer?.startSpan('anypath.connect', {
      kind: SpanKind.CLIENT,
      attributes: {
        'anypath.remote_id': idToText(request.remoteId),
        'anypath.alpn': new TextDecoder().decode(request.alpn),
        'anypath.addresses': request.addresses.length,
        'anypath.early_data': request.earlyData,
      },
    })
    try {
      const id = await this.inner.connect(request)
      const observed = this.#of(id)
      observed.direction = 'outgoing'
      observed.dial = { startedAt, span }
      return id
    } catch (thrown) {
      this.#dialFailed({ startedAt, span }, toAnypathError(thrown))
      throw thrown
    }
  }

  override async close(code: number, reason: string, timeoutMs: number): Promise<void> {
    this.#metrics?.close()
    await this.inner.close(code, reason, timeoutMs)
    for (const id of [...this.#connections.keys()]) this.#forget(id)
  }

  #of(id: number): Observed {
    const observed = this.#connections.get(id) ?? { direction: 'incoming', authenticated: false }
    this.#connections.set(id, observed)
    return observed
  }

  #observe(event: EngineEvent): void {
    switch (event.type) {
      case 'connected':
        return this.#connected(event)
      case 'path':
        this.#observers.logger?.debug('path', {
          connection: event.connectionId,
          change: event.change,
          kind: event.path.kind,
        })
        return this.#metrics?.pathChanged(event.change, event.path.kind, event.path.rttMs)
      case 'early-data':
        return this.#metrics?.earlyDataAnswered(event.accepted)
      case 'closed':
        return this.#closed(event)
      case 'drained':
        return this.#forget(event.connectionId)
      case 'failed':
        this.#observers.logger?.error('the core failed', { error: event.message })
    }
  }

  #connected({ connectionId, info }: EngineEvent & { type: 'connected' }): void {
    const observed = this.#of(connectionId)
    observed.direction = info.incoming ? 'incoming' : 'outgoing'
    if (info.early || observed.authenticated) return
    observed.authenticated = true
    this.#metrics?.handshakeDone(observed.direction)
    this.#metrics?.pathChanged('established', info.path.kind, info.path.rttMs)
    this.#observers.logger?.debug('connected', { connection: connectionId, remoteId: idToText(info.remoteId) })
    const { dial } = observed
    if (dial === undefined) return
    delete observed.dial
    this.#metrics?.dialEnded(this.#observers.now() - dial.startedAt, 'ok')
    dial.span?.setAttribute('anypath.path', info.path.kind)
    dial.span?.setAttribute('anypath.resumed', info.resumed)
    dial.span?.setStatus({ code: SpanStatus.OK })
    dial.span?.end()
  }

  #closed({ connectionId, code, reason }: EngineEvent & { type: 'closed' }): void {
    const observed = this.#of(connectionId)
    const error = createError(code, reason)
    this.#observers.logger?.debug('closed', { connection: connectionId, code: error.code, reason })
    if (observed.authenticated) {
      observed.authenticated = false
      this.#metrics?.connectionClosed(observed.direction)
    } else {
      this.#metrics?.handshakeFailed(observed.direction, error.code)
    }
    const { dial } = observed
    delete observed.dial
    if (dial !== undefined) this.#dialFailed(dial, error)
  }

  #dialFailed({ startedAt, span }: NonNullable<Observed['dial']>, error: AnypathError): void {
    this.#metrics?.dialEnded(this.#observers.now() - startedAt, error.code)
    span?.setAttribute('error.type', error.code)
    span?.recordException(error)
    span?.setStatus({ code: SpanStatus.ERROR, message: error.message })
    span?.end()
  }

  #forget(id: number): void {
    const observed = this.#connections.get(id)
    this.#connections.delete(id)
    if (observed?.authenticated) this.#metrics?.connectionClosed(observed.direction)
    observed?.dial?.span?.end()
    this.#observers.drained(id)
  }
}
