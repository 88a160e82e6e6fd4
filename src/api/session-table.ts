import { Session, type SessionContext } from './session.js'

/**
 * Sessions by remote id. Only those are kept that have a live connection or a listener, or that the application holds itself: ten thousand
 * strangers leave nothing behind.
 */
export class SessionTable {
  readonly #kept = new Map<string, Session>()
  readonly #known = new Map<string, WeakRef<Session>>()
  readonly #collected = new FinalizationRegistry<string>((remoteId) => {
    if (this.#known.get(remoteId)?.deref() === undefined) this.#known.delete(remoteId)
  })
  readonly #context: SessionContext
  readonly #closed = new AbortController()

  constructor(context: Omit<SessionContext, 'heldChanged' | 'peerClosed'>) {
    this.#context = {
      ...context,
      peerClosed: this.#closed.signal,
      heldChanged: (session) => this.#heldChanged(session),
    }
  }

  /** How many sessions are known, including those that only the application holds. */
  get size(): number {
    return this.#known.size
  }

  /** The session of a remote, if anybody asked for it. */
  find(remoteId: string): Session | undefined {
    return this.#known.get(remoteId)?.deref()
  }

  /** The session of a remote; made at the first call. */
  get(remoteId: string): Session {
    const found = this.find(remoteId)
    if (found !== undefined) return found
    const session = new Session(this.#context, remoteId)
    this.#known.set(remoteId, new WeakRef(session))
    this.#collected.register(session, remoteId)
    return session
  }

  /** Nothing is dialled again: the peer is being closed. */
  end(): void {
    this.#closed.abort()
  }

  clear(): void {
    this.#kept.clear()
    this.#known.clear()
  }

  #heldChanged(session: Session): void {
    if (session.held) this.#kept.set(session.remoteId, session)
    else this.#kept.delete(session.remoteId)
  }
}
