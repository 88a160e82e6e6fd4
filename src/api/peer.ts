import { DEFAULT_LIMITS } from '../config/index.js'
import type { DiagnoseOptions, Diagnosis } from '../diagnose/report.js'
import { type Clock, systemClock } from '../driver/clock.js'
import type { Engine, EngineEvent, PeerStats, RelayInfo } from '../driver/engine.js'
import {
  type AnypathError,
  createError,
  deserializeError,
  InternalError,
  InvalidArgumentError,
  InvalidConfigError,
  PeerClosedError,
  TransportFailedError,
} from '../errors/index.js'
import type { Logger } from '../observe/logger.js'
import { CLOSED_LOCALLY } from './close.js'
import type { Connection } from './connection.js'
import type { CloseInfo } from './connection-events.js'
import { ConnectionTable } from './connection-table.js'
import { type Diagnose, diagnosing } from './diagnosing.js'
import { dial } from './dial.js'
import { Emitter, type Listener } from './emitter.js'
import { idFromText, idToText } from './identity.js'
import { IncomingConnections } from './incoming-connections.js'
import { makeTicket, type WebTransportAddressesOf } from './make-ticket.js'
import type { WatchLifecycle } from './page-lifecycle.js'
import type { PeerEvents } from './peer-events.js'
import type { AttachOptions, ConnectOptions, DialTarget, PeerOptions } from './peer-options.js'
import type { Platform, PortModule } from './platform.js'
import type { EnginePort } from './port/messages.js'
import { ServedPorts } from './port/served-ports.js'
import { type OnlineOptions, PeerRelays } from './relays.js'
import type { Session } from './session.js'
import { SessionTable } from './session-table.js'
import { startEngine } from './start-engine.js'
import { Ticket } from './ticket.js'
import type { Borrow } from './web-rtc/borrowing.js'
import type { IncomingSessions } from './web-transport/sessions.js'
import type { WebTransportSessions } from './web-transport/types.js'

const INTERNAL_ERROR = 1
const CLOSE_TIMEOUT_MS = 3000
const PAGE_CLOSED = 'the page was closed'

/** What an attached side rejects with: its own classes. */
const PORT_ERRORS = { closed: (message: string) => new PeerClosedError(message), revive: deserializeError }

interface PeerParts {
  readonly engine: Engine
  readonly clock: Clock
  readonly logger: Logger | undefined
  readonly incomingBacklog: number
  readonly watchLifecycle: WatchLifecycle | undefined
  readonly diagnose: Diagnose
  readonly sessions?: IncomingSessions | undefined
  /** Leaves the engine to others, where it is on the other side of a port. */
  readonly leave?: (reason: string) => void
  /** Gives what listens for lending windows at a port, where this peer can do with them. */
  readonly borrow?: ((gone: (port: EnginePort) => void) => Borrow) | undefined
  /** What tickets tell of sessions. */
  readonly addressesOf: WebTransportAddressesOf | undefined
}

/**
 * One peer: a key, the sockets it is reached at, and its connections. Two peers share nothing but code.
 *
 * ```ts
 * const peer = await Peer.create({ alpns: ['chat/1'] })
 * const connection = await peer.connect(ticket, { alpn: 'chat/1' })
 * ```
 */
export class Peer {
  /** @internal What this build runs on; the entries set it. */
  static readonly platform: Platform | undefined = undefined

  /** This peer's public key, 64 hexadecimal digits. */
  readonly id: string
  readonly #parts: PeerParts
  readonly #table: ConnectionTable
  readonly #sessions: SessionTable
  readonly #incoming: IncomingConnections
  readonly #emitter: Emitter<PeerEvents>
  readonly #relays: PeerRelays
  readonly #endWatch: (() => void) | undefined
  readonly #ports: ServedPorts
  readonly #borrow: Borrow | undefined
  #closing: Promise<void> | undefined
  #failure: AnypathError | undefined

  /** @internal Peers come from `create` and `attach`. */
  protected constructor(parts: PeerParts) {
    this.#parts = parts
    this.id = idToText(parts.engine.endpointId)
    this.#emitter = new Emitter(parts.logger)
    this.#incoming = new IncomingConnections(parts.incomingBacklog, parts.logger)
    const { engine, logger, clock } = parts
    this.#table = new ConnectionTable({ engine, logger, now: () => clock.now() }, this.#observer())
    this.#sessions = new SessionTable({
      logger,
      clock,
      dial: (target, options) => this.connect(target, options),
      live: (remoteId) => this.#table.live(remoteId),
      moved: ({ remoteId }, event) => this.#emitter.emit('state', { remoteId, ...event }),
    })
    this.#relays = new PeerRelays(clock)
    this.#ports = new ServedPorts(engine, () => void this.close())
    this.#borrow = parts.borrow?.((port) => this.#ports.gone(port))
    engine.onEvent((event) => this.#handle(event))
    this.#endWatch = parts.watchLifecycle?.({
      visible: (visible) => engine.setVisible(visible),
      tick: () => engine.wake(),
      resumed: () => engine.resumed(),
      networkChanged: () => {
        engine.resumed()
        engine.networkChanged()
      },
      // A page that goes away has no time for more than telling the remotes.
      ending: () => (parts.leave ? parts.leave(PAGE_CLOSED) : void this.close({ reason: PAGE_CLOSED })),
    })
  }

  /**
   * Starts a peer. All options have defaults.
   *
   * @throws InvalidConfigError naming the field.
   * @throws AddressInUseError when the UDP port is taken; TransportFailedError when the socket can't be opened otherwise.
   */
  static async create(options: PeerOptions = {}): Promise<Peer> {
    if (this.platform === undefined) throw new InternalError('this build of anypath has no platform')
    const { watchLifecycle } = this.platform
    const { engine, incomingBacklog, diagnosed, borrow, addressesOf } = await startEngine(options, this.platform)
    const { logger, clock = systemClock() } = options
    const diagnose = diagnosing(engine, this.platform, diagnosed)
    const sessions = sessionsOf(this.platform, engine, logger, clock, incomingBacklog)
    const settings = { incomingBacklog, logger, clock, watchLifecycle, diagnose, sessions }
    return new this({ engine, ...settings, borrow, addressesOf }).#loaded()
  }

  /**
   * Uses a peer that runs on the other side of a `MessagePort`, for example in a worker, where `peer.serve(port)` was called. What was
   * injected there works there; everything else is the same. A window lends its WebRTC to a peer in a worker: see `AttachOptions.lendWebRtc`.
   *
   * @throws PeerClosedError when the other side is closed.
   * @throws TransportFailedError when the code for it can't be loaded: `anypath_port.mjs`, beside the script.
   */
  static async attach(port: EnginePort, options: AttachOptions = {}): Promise<Peer> {
    const { attach } = await portModule(this.platform)
    const engine = await attach(port, PORT_ERRORS, options.lendWebRtc ?? true)
    const incomingBacklog = options.incomingBacklog ?? DEFAULT_LIMITS.incomingBacklog
    const { watchLifecycle } = this.platform ?? {}
    const { logger } = options
    const diagnose = diagnosing(engine, this.platform)
    const clock = systemClock()
    const sessions = sessionsOf(this.platform, engine, logger, clock, incomingBacklog)
    const addressesOf = this.platform?.webTransport?.addressesOf
    return new this({
      engine,
      incomingBacklog,
      logger,
      clock,
      watchLifecycle,
      diagnose,
      sessions,
      addressesOf,
      leave: (reason: string) => engine.leave(reason),
    }).#loaded()
  }

  /**
   * Lends this window's WebRTC to a peer in a worker that has none, over a port at which `peer.borrowWebRtc(port)` was called before. For peers that
   * are served to the port nothing has to be done: `Peer.attach` lends.
   *
   * @returns what ends that: the channels are closed. They are closed with the window as well.
   * @throws InvalidConfigError where there is no WebRTC.
   * @throws TransportFailedError when the code for it can't be loaded: `anypath_port.mjs`, beside the script.
   */
  static async lendWebRtc(port: EnginePort): Promise<() => void> {
    const lender = (await portModule(this.platform)).lend(port)
    if (lender === undefined) throw new InvalidConfigError('WebRTC: there is none here')
    return () => lender.stop()
  }

  /**
   * Makes data channels in whatever window lends its WebRTC over this port, by `Peer.lendWebRtc` or `Peer.attach`. Any number of windows may;
   * when one is gone, others take over. Does nothing for a peer that needs none: in a window, in Node, and without `directPaths`.
   */
  borrowWebRtc(port: EnginePort): void {
    this.#assertOpen()
    this.#borrow?.(port)
  }

  /**
   * Gives this peer to the other side of a `MessagePort`, where `Peer.attach(port)` takes it. From then on connections belong there; here
   * `stats()` and `close()` still work. When the other side goes away, its connections are closed.
   *
   * It may be given to several ports, as by a SharedWorker to all tabs: each has the connections that it has dialled, and the first one of those
   * that are there has what comes in. A side that closes the peer then closes its own connections only, unless it is the last one.
   *
   * @throws InvalidArgumentError when this peer has connections of its own, or is served to this port already.
   */
  serve(port: EnginePort): void {
    this.#assertOpen()
    if (this.#table.size > 0) throw new InvalidArgumentError('a peer with connections can not be given to a port')
    this.#ports.add(port)
    this.#borrow?.(port)
  }

  /**
   * Connections that others dialled, after the handshake and the accept hooks. For one consumer; bounded by `limits.incomingBacklog`. Ends when
   * the peer is closed.
   */
  get incoming(): AsyncIterable<Connection> {
    return this.#incoming
  }

  /**
   * WebTransport sessions that browsers opened to this peer, after the accept hook, with the setting `webTransport`.
   *
   * @throws InvalidConfigError where browsers can't be listened for: in a browser.
   */
  get webTransportSessions(): WebTransportSessions {
    const { sessions } = this.#parts
    if (sessions === undefined) throw new InvalidConfigError('webTransport: only a peer in Node listens for browsers')
    return sessions
  }

  /** The home relay: where others reach this peer; `undefined` while none is chosen. `state` tells whether it is connected. */
  get relay(): RelayInfo | undefined {
    return this.#relays.home
  }

  /** Every relay that is in use or tried now. */
  get relays(): readonly RelayInfo[] {
    return this.#relays.all()
  }

  /**
   * Waits until the home relay is connected.
   *
   * @throws NoRelayConfiguredError when this peer has no relays; RelayDeniedError when they do not serve it; KeyInUseError when its key is
   * connected to them elsewhere.
   * @throws RelayUnreachableError when none is connected in time; AbortedError when the signal fires; PeerClosedError.
   */
  async online(options: OnlineOptions = {}): Promise<RelayInfo> {
    this.#assertOpen()
    return this.#relays.online(options)
  }

  /**
   * A ticket with the addresses of now. It changes with the network. The home relay is in it only while it is connected: it is waited for, up to
   * 3 s, and 10 s where there is no other way to this peer.
   *
   * @throws RelayUnreachableError, RelayDeniedError, KeyInUseError where there is no other way.
   */
  async ticket(): Promise<Ticket> {
    this.#assertOpen()
    return makeTicket(this.#parts.engine, this.#relays, this.#parts.addressesOf)
  }

  /**
   * Reads a ticket's text.
   *
   * @throws InvalidTicketError when it is malformed, truncated, or of an unknown kind.
   */
  async parseTicket(text: string): Promise<Ticket> {
    this.#assertOpen()
    return new Ticket(text, await this.#parts.engine.parseTicket(text))
  }

  /**
   * Dials a peer by its key: all addresses at once, and the first that proves the key wins. Resolves when the connection is ready.
   *
   * @param target a ticket or its text, an id (64 hexadecimal digits; discovery finds the addresses), or an id with addresses.
   * @throws InvalidTicketError, InvalidKeyError, InvalidArgumentError when the arguments are malformed.
   * @throws NoAddressError when no address is known; NoRelayConfiguredError when only a relay could reach it.
   * @throws UnreachableError when nobody answers in time, RelayDeniedError where only relays that do not serve this peer lead there;
   * WrongKeyError when somebody else answers.
   * @throws AlpnNotServedError, RefusedError, VersionMismatchError, HandshakeFailedError as the remote answers.
   * @throws TooManyConnectionsError at `limits.maxConnections`; AbortedError when the signal fires; PeerClosedError.
   */
  async connect(target: Ticket | string | DialTarget, options: ConnectOptions): Promise<Connection> {
    this.#assertOpen()
    return dial(this.#parts.engine, this.#table, this.#parts.clock, target, options)
  }

  /**
   * The session with a remote, which outlives connections.
   *
   * @throws InvalidKeyError when it is not an id.
   */
  session(remoteId: string): Session {
    const id = idToText(idFromText(remoteId))
    const session = this.#sessions.get(id)
    for (const connection of this.#table.live(id)) if (connection.connected) session.attach(connection)
    return session
  }

  /** Counters of the whole peer; they only grow, `connections`, `handshakes` and the memory aside. */
  async stats(): Promise<PeerStats> {
    this.#assertOpen()
    return this.#parts.engine.peerStats()
  }

  /**
   * Finds out what stands between this peer and direct paths: the NAT before it, by requests to its STUN servers over sockets of their own
   * (RFC 4787, RFC 5780), and its relays, for which it waits up to 5 s. In a browser what that supports and allows, and what it gathers with the
   * servers that channels are made with; a worker has no WebRTC to ask by.
   *
   * @throws InvalidConfigError in Node where there is no UDP socket; on the attached side of a port, for it is diagnosed on the other one.
   * @throws InvalidArgumentError for a time out of range, and for `lifetimeMs` in a browser; TransportFailedError when the system gives no socket, or
   * a page's server not the file `anypath_diagnose.mjs`; AbortedError when the signal fires; PeerClosedError.
   */
  async diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
    this.#assertOpen()
    return this.#parts.diagnose(this.#relays, options)
  }

  /** Tells that time has passed in which nothing ran, as after a sleep: relays and connections are probed at once. Pages are watched for that. */
  resumed(): void {
    this.#assertOpen()
    this.#parts.engine.resumed()
  }

  /**
   * Tells that the machine's addresses changed: live connections are probed at once instead of after a silence. In Node the UDP transport
   * notices by itself (`udp.watchIntervalMs`).
   */
  networkChanged(): void {
    this.#assertOpen()
    this.#parts.engine.networkChanged()
  }

  /** Calls `listener` at each event of that name. What it throws is logged and harms nobody. */
  on<K extends keyof PeerEvents>(type: K, listener: Listener<PeerEvents[K]>): void {
    this.#emitter.on(type, listener)
  }

  /** Ends what `on` began. */
  off<K extends keyof PeerEvents>(type: K, listener: Listener<PeerEvents[K]>): void {
    this.#emitter.off(type, listener)
  }

  /**
   * Closes every connection, tells the remotes, and releases the sockets and the core. Idempotent; never rejects.
   *
   * @param info what the remotes are told; `closeCode` 0 and no reason by default.
   */
  close(info: Partial<CloseInfo> = {}): Promise<void> {
    this.#closing ??= this.#close(info)
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** What the engine knew before anybody listened to its events. */
  async #loaded(): Promise<this> {
    this.#relays.load(await this.#parts.engine.relays())
    return this
  }

  async #close({ closeCode = 0, reason = '' }: Partial<CloseInfo>): Promise<void> {
    this.#incoming.end()
    this.#sessions.end()
    this.#endWatch?.()
    this.#relays.close(new PeerClosedError('the peer is closed'))
    try {
      await this.#parts.engine.close(closeCode, reason, CLOSE_TIMEOUT_MS)
    } catch (thrown) {
      this.#parts.logger?.warn('closing failed', { error: thrown instanceof Error ? thrown.message : String(thrown) })
    }
    this.#ports.close(closeCode, reason)
    // The core is gone: a connection that was not told of its end is told now.
    for (const { id, end } of [...this.#table.values()]) {
      if (end === undefined) {
        this.#table.handle({
          type: 'closed',
          connectionId: id,
          code: CLOSED_LOCALLY,
          by: 'local',
          wireCode: closeCode,
          reason,
        })
      }
    }
    this.#sessions.clear()
    this.#parts.sessions?.end(this.#failure ?? new PeerClosedError('the peer is closed'))
    this.#emitter.emit('close', this.#failure === undefined ? {} : { error: this.#failure })
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined) throw new PeerClosedError('the peer is closed')
  }

  #handle(event: EngineEvent): void {
    if (this.#ports.take(event)) return
    if (event.type === 'relay') {
      this.#relays.apply(event.relay)
      return this.#emitter.emit('relay', event.relay)
    }
    if (event.type === 'lookup') {
      const remoteId = idToText(event.remoteId)
      // One that no lookup began for has nothing to be told.
      const known = this.#sessions.find(remoteId)
      const session = event.change === 'begun' ? (known ?? this.session(remoteId)) : known
      return session?.lookup(event.change)
    }
    if (event.type === 'web-transport') return this.#parts.sessions?.handle(event.event)
    if (event.type === 'failed') this.#failure = createError(event.code ?? INTERNAL_ERROR, event.message)
    this.#table.handle(event)
    if (event.type === 'failed') void this.close()
  }

  #observer(): ConstructorParameters<typeof ConnectionTable>[1] {
    return {
      connected: (connection, info) => {
        if (info.incoming) this.#incoming.offer(connection)
      },
      authenticated: (connection) => {
        this.#sessions.find(connection.remoteId)?.attach(connection)
        this.#emitter.emit('connection', connection)
      },
      state: (connection, event) => {
        const { remoteId } = connection
        const moved = connection.stateEvent(event)
        const session = this.#sessions.find(remoteId)
        if (session !== undefined) return session.moved(moved)
        this.#emitter.emit('state', { remoteId, ...moved })
      },
      closed: (connection) => {
        this.#sessions.find(connection.remoteId)?.detach(connection)
      },
    }
  }
}

async function portModule(platform: Platform | undefined): Promise<PortModule> {
  if (platform === undefined) throw new InternalError('this build of anypath has no platform')
  try {
    return await platform.port()
  } catch (cause) {
    throw new TransportFailedError('anypath_port.mjs can not be loaded', { cause })
  }
}

function sessionsOf(
  platform: Platform | undefined,
  engine: Engine,
  logger: Logger | undefined,
  clock: Clock,
  backlog: number,
): IncomingSessions | undefined {
  return platform?.webTransport?.sessions({ engine, logger, backlog, now: () => clock.now() })
}
