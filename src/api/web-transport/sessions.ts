import type { Engine, WebTransportEvent } from '../../driver/engine.js'
import { type AnypathError, InvalidConfigError } from '../../errors/index.js'
import type { Logger } from '../../observe/logger.js'
import { BoundedQueue } from '../bounded-queue.js'
import { WebTransportSession } from './session.js'
import type { CertificateHash, WebTransportSessions } from './types.js'

/** What the sessions of a peer need from it. */
export interface SessionsContext {
  readonly engine: Engine
  readonly logger: Logger | undefined
  readonly now: () => number
  /** How many may wait. */
  readonly backlog: number
}

/** The sessions of a peer that listens for browsers. */
export class IncomingSessions implements WebTransportSessions {
  readonly #context: SessionsContext
  readonly #queue: BoundedQueue<WebTransportSession>
  readonly #sessions = new Map<number, WebTransportSession>()

  constructor(context: SessionsContext) {
    this.#context = context
    this.#queue = new BoundedQueue(context.backlog)
  }

  async certificateHashes(): Promise<CertificateHash[]> {
    const hashes = await this.#context.engine.webTransportCertificates()
    if (hashes.length === 0) throw new InvalidConfigError('webTransport: this peer does not listen for browsers')
    return hashes.map(({ sha256, fromMs, untilMs }) => ({
      algorithm: 'sha-256',
      value: sha256,
      shownFrom: new Date(fromMs),
      shownUntil: new Date(untilMs),
    }))
  }

  [Symbol.asyncIterator](): AsyncIterator<WebTransportSession> {
    return this.#queue[Symbol.asyncIterator]()
  }

  /** Takes an event of a session. */
  handle(event: WebTransportEvent): void {
    const { connectionId } = event
    if (event.type === 'requested') return this.#offer(event)
    this.#sessions.get(connectionId)?.handle(event)
    if (event.type === 'drained') this.#sessions.delete(connectionId)
  }

  /** No more come. Those that have not been told of their end are told now. */
  end(error: AnypathError): void {
    this.#queue.end()
    for (const session of this.#sessions.values()) session.fail(error)
    this.#sessions.clear()
  }

  #offer({ connectionId, ...request }: WebTransportEvent & { type: 'requested' }): void {
    const { engine, logger, now } = this.#context
    const session = new WebTransportSession(engine, connectionId, request, now)
    this.#sessions.set(connectionId, session)
    if (this.#queue.push(session)) return
    this.#queue.retain(({ isOver }) => !isOver)
    if (this.#queue.push(session)) return
    logger?.warn('a WebTransport session was closed: the application is too slow', { path: session.path })
    session.close({ reason: 'too many sessions wait' })
  }
}
