import { type Core, CoreRefusal } from '../core/core.js'
import type { DiscoveryServicesRequest } from '../core/dial.js'
import { type AnypathError, createError, toAnypathError } from '../errors/index.js'
import type { PortMapping, TransportAddress } from '../transport/transport.js'
import { type Carriers, carriersLost } from './carriers.js'
import type { CarriedChannel, ChannelKeeper } from './channels.js'
import type { Clock } from './clock.js'
import { Dispatch, type Observers } from './dispatch.js'
import type {
  Admission,
  ConnectionStats,
  ConnectRequest,
  DialTargets,
  Engine,
  EngineAddress,
  EngineEvent,
  PeerStats,
  RelayInfo,
  TicketParts,
  WebTransportCertificate,
} from './engine.js'
import { forgottenError, refusalError } from './errors.js'
import { EventLoop } from './loop.js'
import { ADMISSIONS, connectionStats } from './names.js'
import type { RecordKeeper, RecordParts } from './record-keeper.js'
import { Streams } from './streams.js'

/** Looks up the addresses of STUN servers; never rejects. */
export type StunServers = () => Promise<readonly { readonly host: string; readonly port: number }[]>

/** Tells which address-discovery services there are now. */
export type DiscoveryServices = () => DiscoveryServicesRequest

/** What a driver is put together from; `createEngine` does it. */
export interface DriverParts {
  readonly core: Core
  readonly carriers: Carriers
  readonly clock: Clock
  readonly observers: Observers
  /** The relays among which the home relay is chosen. */
  readonly relays: readonly string[]
  /** Whether the core is told this machine's addresses, and so looks for direct paths. */
  readonly directPaths: boolean
  readonly stunServers?: StunServers
  readonly portMapping?: PortMapping
  readonly discoveryServices?: DiscoveryServices
}

/**
 * The only caller of the core: commands go straight in and ask for a turn of the event loop, which brings out what they caused.
 */
export class Driver implements Engine, RecordKeeper, ChannelKeeper {
  readonly endpointId: Uint8Array<ArrayBuffer>
  readonly #core: Core
  readonly #carriers: Carriers
  readonly #clock: Clock
  readonly #streams: Streams
  readonly #dispatch: Dispatch
  readonly #loop: EventLoop
  readonly #relays: readonly string[]
  readonly #directPaths: boolean
  readonly #stunServers: StunServers | undefined
  readonly #portMapping: PortMapping | undefined
  readonly #discoveryServices: DiscoveryServices | undefined
  #mapped: readonly TransportAddress[] = []
  #stunLookups = 0
  /** The services that the core was told last, as a text to compare. */
  #toldServices = '[]'
  #failure: AnypathError | undefined
  #closing: Promise<void> | undefined

  constructor(parts: DriverParts) {
    const { core, carriers, clock, observers, relays, directPaths, stunServers, discoveryServices, portMapping } = parts
    this.#directPaths = directPaths
    this.#stunServers = directPaths ? stunServers : undefined
    this.#portMapping = directPaths ? portMapping : undefined
    this.#discoveryServices = directPaths ? discoveryServices : undefined
    this.#relays = relays
    this.#core = core
    this.#carriers = carriers
    this.#clock = clock
    this.#streams = new Streams(core)
    this.#dispatch = new Dispatch(carriers, this.#streams, observers)
    this.#portMapping?.start((addresses) => this.#tellMapped(addresses))
    this.#loop = new EventLoop(clock, core, carriers, this.#dispatch, {
      slept: () => this.resumed(),
      settle: () => this.#dispatch.settle(),
      emit: () => this.#dispatch.emit(),
      fail: (thrown) => this.#fail(toAnypathError(thrown)),
    })
    this.endpointId = core.endpointId()
    core.onPanic = (error) => clock.setImmediate(() => this.#fail(error))
  }

  /** Opens the carriers, and begins to connect to relays. */
  async start(): Promise<void> {
    const ready = this.#loop.schedule
    const tell = (call: () => void) => this.#tell(call)
    const opened = () => this.#tellServers()
    this.#carriers.relays.start({ ready, tell, opened })
    await this.#carriers.start({
      ready,
      tell,
      changed: () => {
        this.#dispatch.push({ type: 'network' })
        this.#tellAddresses()
        this.networkChanged()
      },
      failed: (id, cause) => this.#clock.setImmediate(() => this.#carrierFailed(id, cause)),
    })
    this.#tellAddresses()
    this.#tellServers()
    this.#portMapping?.update(this.#mainAddresses())
    if (this.#relays.length > 0) {
      this.#command(() => this.#core.setRelays(this.#relays))
      this.#carriers.relays.hold()
    }
  }

  /** The addresses of the main UDP socket become candidates. */
  #tellAddresses(): void {
    if (!this.#directPaths) return
    const main = this.#mainAddresses()
    if (main.length > 0) this.#tell(() => this.#core.setLocalAddresses(main))
  }

  #mainAddresses(): TransportAddress[] {
    return this.#carriers.localAddresses().filter(({ carrier }) => carrier === 0)
  }

  /** What a router forwards here is a candidate, and belongs into tickets and records. */
  #tellMapped(addresses: readonly TransportAddress[]): void {
    this.#mapped = addresses
    this.#dispatch.push({ type: 'network' })
    this.#tell(() => this.#core.setMappedAddresses(addresses))
  }

  /** Another network may have other answers for the servers' names, and a relay that was reached may have a service. */
  #tellServers(): void {
    this.#tellDiscoveryServices()
    if (this.#stunServers === undefined) return
    const lookup = ++this.#stunLookups
    const tell = (servers: Awaited<ReturnType<StunServers>>): void => {
      if (lookup === this.#stunLookups) this.#tell(() => this.#core.setStunServers(servers))
    }
    void this.#stunServers().then(tell)
  }

  #tellDiscoveryServices(): void {
    const found = this.#discoveryServices?.()
    const told = JSON.stringify(found?.services ?? [])
    if (found === undefined || told === this.#toldServices) return
    this.#toldServices = told
    this.#tell(() => this.#core.setDiscoveryServices(found))
  }

  onEvent(listener: (event: EngineEvent) => void): void {
    this.#dispatch.listen(listener)
  }

  async relays(): Promise<RelayInfo[]> {
    return this.#carriers.relays.all(this.#relays)
  }

  async localAddresses(): Promise<EngineAddress[]> {
    const mapped = this.#mapped.map((address) => ({ ...address, carrier: 0, transport: 'udp', mapped: true }) as const)
    return [...this.#carriers.localAddresses(), ...mapped]
  }

  async connect(request: ConnectRequest): Promise<number> {
    const { sessions } = this.#carriers
    const targets = sessions.resolve(request)
    try {
      const connection = this.#command(() => this.#core.connect({ ...request, ...targets }))
      sessions.use(connection, targets)
      this.#streams.add(connection)
      return connection
    } catch (thrown) {
      sessions.release()
      throw thrown
    }
  }

  addAddresses(connectionId: number, targets: DialTargets): void {
    const { sessions } = this.#carriers
    this.#tell(() => {
      const resolved = sessions.resolve(targets)
      this.#core.addAddresses(connectionId, resolved)
      sessions.use(connectionId, resolved)
    })
  }

  carry(begin: Parameters<ChannelKeeper['carry']>[0]): CarriedChannel {
    return this.#carriers.channels.carry(begin)
  }

  admit(incomingId: number, decision: Admission): void {
    this.#tell(() => this.#core.admit(incomingId, ADMISSIONS.indexOf(decision)))
  }

  openStream(connectionId: number, bidirectional: boolean, wait = true): Promise<number> {
    this.#loop.schedule()
    return this.#streams.open(connectionId, bidirectional, wait)
  }

  read(connectionId: number, streamId: number, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#loop.schedule()
    return this.#streams.read(connectionId, streamId, maxBytes)
  }

  write(connectionId: number, streamId: number, bytes: Uint8Array): Promise<void> {
    this.#loop.schedule()
    return this.#streams.write(connectionId, streamId, bytes)
  }

  finish(connectionId: number, streamId: number): Promise<void> {
    this.#loop.schedule()
    return this.#streams.finish(connectionId, streamId)
  }

  reset(connectionId: number, streamId: number, code: number): void {
    this.#tell(() => this.#streams.reset(connectionId, streamId, code))
  }

  stop(connectionId: number, streamId: number, code: number): void {
    this.#tell(() => this.#streams.stop(connectionId, streamId, code))
  }

  setPriority(connectionId: number, streamId: number, priority: number): void {
    this.#tell(() => this.#core.setPriority(connectionId, streamId, priority))
  }

  async sendDatagram(connectionId: number, bytes: Uint8Array): Promise<void> {
    const refusal = this.#command(() => this.#core.sendDatagram(connectionId, bytes))
    if (refusal instanceof CoreRefusal) throw refusalError(refusal)
  }

  async maxDatagramBytes(connectionId: number): Promise<number> {
    return this.#core.maxDatagramBytes(connectionId)
  }

  closeConnection(connectionId: number, code: number, reason: string): void {
    this.#tell(() => this.#core.closeConnection(connectionId, code, reason))
  }

  async connectionStats(connectionId: number): Promise<ConnectionStats> {
    const record = this.#core.connectionStats(connectionId)
    if (!record) throw forgottenError()
    return connectionStats(record, this.#carriers)
  }

  async peerStats(): Promise<PeerStats> {
    const portMapping = this.#portMapping?.stats
    const { observations, ...stats } = this.#core.peerStats()
    const observed = observations.map(({ rttMs, ...word }) => (rttMs === undefined ? word : { ...word, rttMs }))
    const transportDrops = this.#carriers.drops()
    return { ...stats, observations: observed, transportDrops, ...(portMapping && { portMapping }) }
  }

  ping(connectionId: number): void {
    this.#tell(() => this.#core.ping(connectionId))
  }

  keyUpdate(connectionId: number): void {
    this.#tell(() => this.#core.keyUpdate(connectionId))
  }

  networkChanged(): void {
    this.#tell(() => this.#core.networkChanged())
    this.#tellServers()
    this.#portMapping?.update(this.#mainAddresses())
  }

  setVisible(visible: boolean): void {
    this.#tell(() => this.#core.setVisible(visible))
  }

  wake(): void {
    this.#loop.schedule()
  }

  resumed(): void {
    this.#tell(() => this.#core.resumed())
  }

  async answerSession(sessionId: number, status: number): Promise<boolean> {
    return this.#command(() => this.#core.answerSession(sessionId, status))
  }

  async webTransportCertificates(): Promise<WebTransportCertificate[]> {
    return this.#core.webTransportCertificates()
  }

  async parseTicket(text: string): Promise<TicketParts> {
    return this.#core.parseTicket(text)
  }

  async formatTicket(parts: TicketParts): Promise<string> {
    return this.#core.formatTicket(parts)
  }

  async signRecord(parts: RecordParts, ttlSeconds: number, timestampMicros: number): Promise<Uint8Array> {
    return this.#core.signRecord(parts, ttlSeconds, timestampMicros)
  }

  async readRecord(id: Uint8Array, packet: Uint8Array): Promise<RecordParts & { readonly timestampMicros: bigint }> {
    return this.#core.readRecord(id, packet)
  }

  close(code: number, reason: string, timeoutMs: number): Promise<void> {
    this.#closing ??= this.#shutDown(code, reason, timeoutMs)
    return this.#closing
  }

  async #shutDown(code: number, reason: string, timeoutMs: number): Promise<void> {
    // Remotes are told meanwhile.
    void this.#portMapping?.close()
    if (!this.#failure) {
      this.#tell(() => this.#core.shutdown(code, reason))
      // Now and not in the next turn: a page that is being closed has no next turn.
      this.#loop.flush()
      await this.#loop.quiet(timeoutMs)
    }
    await this.#release(createError('PeerClosed', 'the peer is closed'))
  }

  async #release(error: AnypathError): Promise<void> {
    this.#loop.stop()
    this.#streams.closeAll(error)
    this.#core.close()
    await Promise.all([this.#carriers.close(), this.#portMapping?.close()])
  }

  /** A call whose result matters to the caller, and after which there is something to do. */
  #command<Result>(call: () => Result): Result {
    this.#loop.schedule()
    return call()
  }

  /** A call that nobody waits for: on a closed peer it does nothing, and a panic is reported as an event. */
  #tell(call: () => void): void {
    this.#loop.schedule()
    try {
      call()
    } catch {
      // The core is closed or has panicked; both are known, and reported where they happen.
    }
  }

  #carrierFailed(id: number, cause: Error): void {
    if (this.#carriers.size === 0 && this.#relays.length === 0) this.#fail(carriersLost(cause))
    else this.#tell(() => this.#core.removeCarrier(id))
  }

  /** The core or its last carrier is gone: everything that waits fails, everybody is told once. */
  #fail(error: AnypathError): void {
    if (this.#failure) return
    this.#failure = error
    // While it closes, everything is being rejected anyway.
    if (this.#closing) return
    this.#dispatch.push({ type: 'failed', message: error.message })
    // There is nobody left to tell that a transport did not close.
    this.#release(error).catch(() => {})
    this.#dispatch.emit()
  }
}
