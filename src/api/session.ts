import type { SessionState } from '../driver/engine.js'
import type { Logger } from '../observe/logger.js'
import type { Connection } from './connection.js'
import type { StateEvent } from './connection-events.js'
import { Emitter, type Listener } from './emitter.js'
import type { ConnectOptions, DialAddress, DialTarget } from './peer-options.js'

/** The events of a `Session` by name. */
export type SessionEvents = {
  /** The state changed. */
  state: StateEvent
  /** There is a new authenticated connection, dialled by either side. */
  connection: Connection
}

/** @internal What a session needs from its peer. */
export interface SessionContext {
  readonly logger: Logger | undefined
  dial(target: DialTarget, options: ConnectOptions): Promise<Connection>
  /** Called whenever `Session.held` may have changed. */
  heldChanged(session: Session): void
}

/**
 * What is going on with one remote peer, over all connections with it. It outlives them: hold it to learn of the next connection, and to dial
 * again.
 */
export class Session {
  /** The remote's public key, 64 hexadecimal digits. */
  readonly remoteId: string
  readonly #context: SessionContext
  readonly #emitter: Emitter<SessionEvents>
  readonly #connections = new Set<Connection>()
  #state: SessionState = 'idle'
  #addresses: readonly DialAddress[] = []
  #relays: readonly string[] = []
  #alpn: string | undefined

  /** @internal */
  constructor(context: SessionContext, remoteId: string) {
    this.#context = context
    this.remoteId = remoteId
    this.#emitter = new Emitter(context.logger)
  }

  /** The state now; `idle` before anything happened. */
  get state(): SessionState {
    return this.#state
  }

  /** The live connection that came last; `undefined` while there is none. */
  get connection(): Connection | undefined {
    return [...this.#connections].at(-1)
  }

  /** All live connections with the remote, the oldest first. */
  get connections(): readonly Connection[] {
    return [...this.#connections]
  }

  /**
   * Gives the live connection with that protocol, or dials again: the addresses of earlier connections, or whatever discovery knows.
   *
   * @param options as for `peer.connect`; `alpn` is by default that of the last connection.
   * @throws what `peer.connect` throws.
   */
  async connect(options: Partial<ConnectOptions> = {}): Promise<Connection> {
    const alpn = options.alpn ?? this.#alpn
    const live = [...this.#connections].reverse().find((connection) => connection.alpn === alpn)
    if (live !== undefined) return live
    // Without any protocol the dial itself says what is missing.
    const target = { id: this.remoteId, addresses: this.#addresses, relays: this.#relays }
    return this.#context.dial(target, { ...options, alpn: alpn ?? '' })
  }

  /** Calls `listener` at each event of that name. What it throws is logged and harms nobody. */
  on<K extends keyof SessionEvents>(type: K, listener: Listener<SessionEvents[K]>): void {
    this.#emitter.on(type, listener)
    this.#context.heldChanged(this)
  }

  /** Ends what `on` began. */
  off<K extends keyof SessionEvents>(type: K, listener: Listener<SessionEvents[K]>): void {
    this.#emitter.off(type, listener)
    this.#context.heldChanged(this)
  }

  /** @internal Whether the peer has to keep it, though the application may not. */
  get held(): boolean {
    return this.#connections.size > 0 || this.#emitter.size > 0
  }

  /** @internal */
  attach(connection: Connection): void {
    if (this.#connections.has(connection)) return
    this.#connections.add(connection)
    this.#alpn = connection.alpn
    if (this.#state === 'idle') this.#state = connection.state
    this.#remember(connection)
    this.#context.heldChanged(this)
    this.#emitter.emit('connection', connection)
  }

  /** @internal */
  detach(connection: Connection): void {
    this.#remember(connection)
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#state = 'closed'
    this.#context.heldChanged(this)
  }

  /** @internal */
  moved(event: StateEvent): void {
    this.#state = event.to
    this.#emitter.emit('state', event)
  }

  #remember(connection: Connection): void {
    const addresses = connection.paths.flatMap(({ kind, host, port }): DialAddress[] =>
      kind === 'udp' || kind === 'memory' ? [{ transport: kind, host, port }] : [],
    )
    const relays = connection.paths.flatMap(({ relay }) => relay ?? [])
    if (addresses.length === 0 && relays.length === 0) return
    this.#addresses = addresses
    this.#relays = relays
  }
}
