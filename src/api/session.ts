import type { Clock } from '../driver/clock.js'
import type { LookupChange, SessionState, TransitionCause } from '../driver/engine.js'
import type { Logger } from '../observe/logger.js'
import type { Connection } from './connection.js'
import type { StateEvent } from './connection-events.js'
import type { RememberedTarget } from './dial.js'
import { Emitter, type Listener } from './emitter.js'
import { type MaintainOptions, maintain } from './maintain.js'
import type { ConnectOptions, DialAddress } from './peer-options.js'
import { hasConnection, SessionMachine, type Step } from './session-machine.js'

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
  readonly clock: Clock
  readonly peerClosed: AbortSignal
  dial(target: RememberedTarget, options: ConnectOptions): Promise<Connection>
  /** The connections with a remote that are not over, those being dialled included, the oldest first. */
  live(remoteId: string): readonly Connection[]
  /** Called for each change of its state. */
  moved(session: Session, event: StateEvent): void
  /** Called whenever `Session.held` may have changed. */
  heldChanged(session: Session): void
}

const FAILED = { to: 'failed', cause: 'error' } as const
const CLOSED = { to: 'closed', cause: 'close' } as const

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
  readonly #machine: SessionMachine
  #addresses: readonly DialAddress[] = []
  #relays: readonly string[] = []
  #webTransport: readonly Uint8Array[] = []
  #alpn: string | undefined
  /** Whether a lookup is under way that began before the end of an earlier connection was told. */
  #looksUp = false

  /** @internal */
  constructor(context: SessionContext, remoteId: string) {
    this.#context = context
    this.remoteId = remoteId
    this.#emitter = new Emitter(context.logger)
    // The oldest has been told everything that the others have.
    this.#machine = new SessionMachine(context, context.live(remoteId)[0]?.state ?? 'idle')
  }

  /** The state now; `idle` before anything happened. */
  get state(): SessionState {
    return this.#machine.state
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
    const target = {
      id: this.remoteId,
      addresses: this.#addresses,
      relays: this.#relays,
      webTransport: this.#webTransport,
    }
    return this.#context.dial(target, { ...options, alpn: alpn ?? '' })
  }

  /**
   * Keeps a connection with that protocol: dials now, and again whenever the last one has ended, whoever closed it, after a pause that doubles
   * from `pauseMs.first` up to `pauseMs.most` and is cut by up to a half at random, so that those who lost the same remote do not all
   * come back at once. After a connection that has lasted for longer than `pauseMs.most` it begins anew. During a pause the state is
   * `reconnecting`. Each connection is told by the event of that name. Streams never go on in another connection.
   *
   * Resolves when the signal fires or the peer is closed; a connection that there is then stays.
   *
   * @throws what no later dial mends, such as WrongKeyError, AlpnNotServedError, InvalidArgumentError: every error that is not `retryable`.
   */
  async maintain(options: MaintainOptions = {}): Promise<void> {
    return maintain(this, this.#context.clock, this.#context.peerClosed, options)
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
    const isWaiting = this.state === 'discovering' || this.state === 'reconnecting'
    return isWaiting || this.#connections.size > 0 || this.#emitter.size > 0
  }

  /** @internal */
  attach(connection: Connection): void {
    if (this.#connections.has(connection)) return
    this.#connections.add(connection)
    this.#alpn = connection.alpn
    this.#remember(connection)
    this.#context.heldChanged(this)
    this.#emitter.emit('connection', connection)
  }

  /** @internal */
  detach(connection: Connection): void {
    this.#remember(connection)
    this.#connections.delete(connection)
    this.#context.heldChanged(this)
    // Usually the core has told already; where it is gone, or keeps a connection that is none of the application's, it never will.
    const from = this.state
    if (hasConnection(from) && this.#context.live(this.remoteId).length === 0)
      this.moved({ from, ...(connection.end?.error ? FAILED : CLOSED) })
    if (this.#looksUp) this.enter('discovering', 'dial')
  }

  /** @internal A lookup for a dial began, or is over. */
  lookup(change: LookupChange): void {
    this.#looksUp = change === 'begun'
    if (change === 'begun') this.enter('discovering', 'dial')
    if (change === 'failed') this.enter('failed', 'error')
  }

  /** @internal Goes to a state in which there is no connection, unless there is one or is to be one. */
  enter(to: SessionState, cause: TransitionCause): void {
    if (this.#connections.size === 0) this.moved({ to, cause })
  }

  /** @internal The core moved it, or `enter` or `detach` does. */
  moved(step: Step): void {
    const event = this.#machine.step(step)
    if (event === undefined) return
    this.#context.heldChanged(this)
    this.#emitter.emit('state', event)
    this.#context.moved(this, event)
    if (this.#looksUp) this.enter('discovering', 'dial')
  }

  #remember(connection: Connection): void {
    const addresses = connection.paths.flatMap(({ kind, host, port }): DialAddress[] =>
      kind === 'udp' || kind === 'memory' ? [{ transport: kind, host, port }] : [],
    )
    const relays = connection.paths.flatMap(({ relay }) => relay ?? [])
    const { webTransportAddresses } = connection
    if (webTransportAddresses.length > 0) this.#webTransport = webTransportAddresses
    if (addresses.length === 0 && relays.length === 0) return
    this.#addresses = addresses
    this.#relays = relays
  }
}
