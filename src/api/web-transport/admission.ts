import type { Engine, EngineEvent, WebTransportEvent } from '../../driver/engine.js'
import type { Logger } from '../../observe/logger.js'
import { ForwardingEngine } from '../engine/forwarding.js'
import type { AcceptHooks, WebTransportRequest } from '../peer-options.js'

const OK = 200
const FORBIDDEN = 403
const NOT_FOUND = 404
const UNAVAILABLE = 503

/** Paths that are this library's own, and the one of them on which a session carries packets of peers. */
const RESERVED = '/.well-known/anypath'
const CARRIER = `${RESERVED}/1`

/** How long a goodbye may take to arrive, at least and at most. */
const GOODBYE_MS = { least: 50, most: 1000 }

/** What decides about sessions. */
export interface SessionPolicy {
  /** The origins whose pages may open sessions; `undefined`: all, and clients without one. */
  readonly origins: readonly string[] | undefined
  readonly hook: AcceptHooks['session']
}

/** Answers requests for sessions. What is behind this engine hears of a session when it is accepted. */
export class AdmittingEngine extends ForwardingEngine {
  readonly #policy: SessionPolicy
  readonly #logger: Logger | undefined
  /** Sessions that were not accepted, or not yet. */
  readonly #unknown = new Set<number>()
  /** Sessions that carry packets, of which nothing is told. */
  readonly #carriers = new Set<number>()
  /** Sessions that were accepted. */
  readonly #open = new Set<number>()
  #listener: (event: EngineEvent) => void = () => {}
  #closing = false

  constructor(inner: Engine, policy: SessionPolicy, logger: Logger | undefined) {
    super(inner)
    this.#policy = policy
    this.#logger = logger
    inner.onEvent((event) => {
      if (event.type === 'web-transport') this.#handle(event.event)
      else this.#listener(event)
    })
  }

  override onEvent(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  #handle(event: WebTransportEvent): void {
    const { connectionId } = event
    if (this.#carriers.has(connectionId)) {
      if (event.type === 'drained') this.#carriers.delete(connectionId)
    } else if (event.type === 'requested') {
      this.#unknown.add(connectionId)
      void this.#decide(event)
    } else if (!this.#unknown.has(connectionId)) {
      if (event.type === 'closed') this.#open.delete(connectionId)
      this.#listener({ type: 'web-transport', event })
    } else if (event.type === 'drained') {
      this.#unknown.delete(connectionId)
    }
  }

  async #decide(event: WebTransportEvent & { type: 'requested' }): Promise<void> {
    const { type: _, connectionId, ...request } = event
    const wanted = await this.#statusFor(request)
    const status = this.#closing ? UNAVAILABLE : wanted
    // It may have gone while the application thought.
    const open = this.#unknown.has(connectionId) && (await this.inner.answerSession(connectionId, status))
    if (!open || status !== OK) return
    this.#unknown.delete(connectionId)
    if (request.path === CARRIER) return void this.#carriers.add(connectionId)
    this.#open.add(connectionId)
    this.#listener({ type: 'web-transport', event })
  }

  /**
   * Says goodbye to sessions before the sockets go: a client that writes to a closed one is told by its system that nobody is there, and
   * some take that for the end before they have read what came before it.
   */
  override async close(code: number, reason: string, timeoutMs: number): Promise<void> {
    this.#closing = true
    const open = [...this.#open]
    if (open.length > 0) {
      const stats = await Promise.allSettled(open.map((id) => this.inner.connectionStats(id)))
      const trips = stats.map((each) => (each.status === 'fulfilled' ? each.value.rttMs : 0))
      for (const id of open) this.inner.closeConnection(id, code, reason)
      const waitMs = Math.min(Math.max(GOODBYE_MS.least, 3 * Math.max(...trips)), GOODBYE_MS.most, timeoutMs)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
    await this.inner.close(code, reason, timeoutMs)
  }

  async #statusFor(request: WebTransportRequest): Promise<number> {
    const { origins, hook } = this.#policy
    if (origins !== undefined && !origins.includes(request.origin)) return FORBIDDEN
    // Who comes by it has to prove a key in the session, and is asked about like everybody else who does.
    if (request.path === CARRIER) return OK
    const [path = ''] = request.path.split('?')
    if (path === RESERVED || path.startsWith(`${RESERVED}/`)) return NOT_FOUND
    if (hook === undefined) return OK
    try {
      const decision = await hook(request)
      if (typeof decision === 'boolean') return decision ? OK : FORBIDDEN
      if (Number.isInteger(decision) && decision >= 400 && decision <= 599) return decision
      throw new TypeError(`it gave ${String(decision)}`)
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown.message : String(thrown)
      this.#logger?.error('an accept hook failed, so it refuses', { hook: 'session', error })
      return FORBIDDEN
    }
  }
}
