import type { TicketAddress } from '../../discovery/address.js'
import type { Discovery } from '../../discovery/discovery.js'
import type { ReadRecord } from '../../discovery/record.js'
import type { ConnectRequest, DialTargets, Engine, EngineEvent } from '../../driver/engine.js'
import { NoAddressError, NoRelayConfiguredError } from '../../errors/index.js'
import type { Logger } from '../../observe/logger.js'
import { carriersOf, foreign, reachableAddresses } from '../dial-address.js'
import { idToText } from '../identity.js'
import { ForwardingEngine } from './forwarding.js'

/**
 * How long the other discoveries have once one of them has found something: long enough for somebody nearby to answer, so that a direct
 * address is tried before a relay, and short enough not to be noticed where one has to wait for a peer that it can't see.
 */
const OTHERS_MS = 250

/** Somewhere to go, and what discovery finds after that. */
interface Located {
  readonly request: ConnectRequest
  readonly later?: Promise<readonly TicketAddress[]>
}

/** Lookups that go on until `search` ends them. */
interface Searching {
  readonly search: AbortController
  readonly more: (found: readonly TicketAddress[]) => void
}

/**
 * Asks discovery for the addresses of a peer that is dialled without any, or whose connection has lost its way, and says why a dial has
 * nowhere to go.
 */
export class AddressingEngine extends ForwardingEngine {
  readonly #discovery: readonly Discovery[]
  readonly #timeoutMs: number
  readonly #logger: Logger | undefined
  readonly #readRecord: ReadRecord | undefined
  readonly #opensSessions: boolean
  /** The remotes of the connections that this peer dialled. */
  readonly #dialled = new Map<number, string>()
  /** What ends the lookups of connections that are being dialled: until then any discovery may find more. */
  readonly #searches = new Map<number, AbortController>()
  /** What ends each lookup that goes on. */
  readonly #lookupsUnderWay = new Set<() => void>()
  /** The connections for which discovery is being asked. */
  readonly #asking = new Set<number>()
  #listener: (event: EngineEvent) => void = () => {}

  /**
   * @param timeoutMs how long all discoveries together may take.
   * @param readRecord reads signed records for them.
   * @param opensSessions whether WebTransport sessions can be opened to peers.
   */
  constructor(
    inner: Engine,
    discovery: readonly Discovery[],
    timeoutMs: number,
    logger: Logger | undefined,
    readRecord?: ReadRecord,
    opensSessions = false,
  ) {
    super(inner)
    this.#opensSessions = opensSessions
    this.#readRecord = readRecord
    this.#discovery = discovery
    this.#timeoutMs = timeoutMs
    this.#logger = logger
    inner.onEvent((event) => {
      if (event.type === 'discover') return void this.#rediscover(event.connectionId)
      if (event.type === 'drained') this.#dialled.delete(event.connectionId)
      if (event.type === 'drained' || event.type === 'closed' || (event.type === 'connected' && !event.info.early))
        this.#endSearch(event.connectionId)
      this.#listener(event)
    })
  }

  override onEvent(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  override async connect(request: ConnectRequest): Promise<number> {
    const search = new AbortController()
    const early: TicketAddress[] = []
    let add = (found: readonly TicketAddress[]): void => void early.push(...found)
    try {
      const located = await this.#located(request, { search, more: (found) => add(found) })
      const connectionId = await this.inner.connect(located.request)
      this.#dialled.set(connectionId, idToText(request.remoteId))
      this.#searches.set(connectionId, search)
      add = (found) => void this.#add(connectionId, found).catch(() => {})
      add(early)
      void located.later?.then(add).catch(() => {})
      return connectionId
    } catch (thrown) {
      search.abort()
      this.#listener({ type: 'lookup', remoteId: request.remoteId, change: 'failed' })
      throw thrown
    }
  }

  override close(code: number, reason: string, timeoutMs: number): Promise<void> {
    for (const end of this.#lookupsUnderWay) end()
    return super.close(code, reason, timeoutMs)
  }

  #endSearch(connectionId: number): void {
    this.#searches.get(connectionId)?.abort()
    this.#searches.delete(connectionId)
  }

  /** The request with somewhere to go. */
  async #located(request: ConnectRequest, searching: Searching): Promise<Located> {
    const relays = await this.inner.relays()
    const canUse = ({ addresses, relays: found, webTransport = [] }: DialTargets) =>
      addresses.length > 0 ||
      (this.#opensSessions && webTransport.length > 0) ||
      (found.length > 0 && relays.length > 0)
    if (canUse(request)) return { request }
    const local = await this.inner.localAddresses()
    const carriers = carriersOf(local)
    const lookups = request.relays.length > 0 ? [] : this.#lookups(idToText(request.remoteId), false, searching)
    if (lookups.length > 0) this.#listener({ type: 'lookup', remoteId: request.remoteId, change: 'begun' })
    const { now, later } = await gathered(lookups, (found) =>
      canUse(reachableAddresses(foreign(found, local), carriers)),
    )
    const targets = reachableAddresses(foreign(now, local), carriers)
    if (canUse(targets)) {
      if (lookups.length > 0) this.#listener({ type: 'lookup', remoteId: request.remoteId, change: 'found' })
      return { request: { ...request, ...targets }, later }
    }
    if (relays.length === 0 && (carriers.size === 0 || request.relays.length > 0 || targets.relays.length > 0))
      throw new NoRelayConfiguredError('this peer can only be reached over a relay, and none is configured')
    throw new NoAddressError('no address of this peer is known')
  }

  async #rediscover(connectionId: number): Promise<void> {
    const remoteId = this.#dialled.get(connectionId)
    if (remoteId === undefined || this.#discovery.length === 0 || this.#asking.has(connectionId)) return
    this.#asking.add(connectionId)
    try {
      const more = (found: readonly TicketAddress[]) => void this.#add(connectionId, found).catch(() => {})
      const lookups = this.#lookups(remoteId, true, { search: new AbortController(), more })
      await Promise.all(lookups.map(async (found) => this.#add(connectionId, await found)))
    } finally {
      this.#asking.delete(connectionId)
    }
  }

  /** More addresses for a connection that is being dialled or looks for a way. */
  async #add(connectionId: number, found: readonly TicketAddress[]): Promise<void> {
    if (found.length === 0) return
    const local = await this.inner.localAddresses()
    const targets = reachableAddresses(foreign(found, local), carriersOf(local))
    if (
      !this.#dialled.has(connectionId) ||
      !(targets.addresses.length + targets.relays.length + (targets.webTransport?.length ?? 0))
    )
      return
    this.inner.addAddresses(connectionId, targets)
  }

  /** What each discovery finds; whoever has answered may find more until the search ends. None rejects. */
  #lookups(remoteId: string, fresh: boolean, { search, more }: Searching): ReturnType<Discovery['lookup']>[] {
    if (this.#discovery.length === 0) return []
    const limit = AbortSignal.timeout(this.#timeoutMs)
    const late = new Promise<[]>((resolve) => limit.addEventListener('abort', () => resolve([]), { once: true }))
    return this.#discovery.map(async (discovery) => {
      const ended = new AbortController()
      const { signal } = ended
      const end = () => {
        this.#lookupsUnderWay.delete(end)
        ended.abort()
      }
      this.#lookupsUnderWay.add(end)
      limit.addEventListener('abort', end, { once: true })
      const readRecord = this.#readRecord
      try {
        return await Promise.race([
          discovery.lookup(remoteId, { signal, fresh, more, ...(readRecord && { readRecord }) }),
          late,
        ])
      } catch (thrown) {
        const error = thrown instanceof Error ? thrown.message : String(thrown)
        this.#logger?.warn('a lookup failed', { discovery: discovery.name, error })
        return []
      } finally {
        if (search.signal.aborted) end()
        else search.signal.addEventListener('abort', end, { once: true })
      }
    })
  }
}

/**
 * What was found by the time that all have answered, or that the others have had their time since there was something of use; and what
 * comes later.
 */
async function gathered(
  lookups: readonly ReturnType<Discovery['lookup']>[],
  useful: (found: readonly TicketAddress[]) => boolean,
): Promise<{ readonly now: readonly TicketAddress[]; readonly later: Promise<readonly TicketAddress[]> }> {
  const found: TicketAddress[] = []
  let enough: () => void = () => {}
  const satisfied = new Promise<void>((resolve) => {
    enough = resolve
  })
  const all = Promise.all(
    lookups.map(async (lookup) => {
      found.push(...(await lookup))
      if (useful(found)) AbortSignal.timeout(OTHERS_MS).addEventListener('abort', enough, { once: true })
    }),
  )
  await Promise.race([all, satisfied])
  const now = [...found]
  return { now, later: all.then(() => found.slice(now.length)) }
}
