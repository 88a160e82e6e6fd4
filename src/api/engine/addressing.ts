import type { Discovery } from '../../discovery/discovery.js'
import type { ReadRecord } from '../../discovery/record.js'
import type { ConnectRequest, DialTargets, Engine, EngineEvent } from '../../driver/engine.js'
import { NoAddressError, NoRelayConfiguredError } from '../../errors/index.js'
import type { Logger } from '../../observe/logger.js'
import { carriersOf, reachableAddresses } from '../dial-address.js'
import { idToText } from '../identity.js'
import { ForwardingEngine } from './forwarding.js'

/**
 * Asks discovery for the addresses of a peer that is dialled without any, or whose connection has lost its way, and says why a dial has
 * nowhere to go.
 */
export class AddressingEngine extends ForwardingEngine {
  readonly #discovery: readonly Discovery[]
  readonly #timeoutMs: number
  readonly #logger: Logger | undefined
  readonly #readRecord: ReadRecord | undefined
  /** The remotes of the connections that this peer dialled. */
  readonly #dialled = new Map<number, string>()
  /** The connections for which discovery is being asked. */
  readonly #asking = new Set<number>()
  #listener: (event: EngineEvent) => void = () => {}

  /**
   * @param timeoutMs how long all discoveries together may take.
   * @param readRecord reads signed records for them.
   */
  constructor(
    inner: Engine,
    discovery: readonly Discovery[],
    timeoutMs: number,
    logger: Logger | undefined,
    readRecord?: ReadRecord,
  ) {
    super(inner)
    this.#readRecord = readRecord
    this.#discovery = discovery
    this.#timeoutMs = timeoutMs
    this.#logger = logger
    inner.onEvent((event) => {
      if (event.type === 'discover') return void this.#rediscover(event.connectionId)
      if (event.type === 'drained') this.#dialled.delete(event.connectionId)
      this.#listener(event)
    })
  }

  override onEvent(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  override async connect(request: ConnectRequest): Promise<number> {
    const connectionId = await this.inner.connect(await this.#located(request))
    this.#dialled.set(connectionId, idToText(request.remoteId))
    return connectionId
  }

  /** The request with somewhere to go. */
  async #located(request: ConnectRequest): Promise<ConnectRequest> {
    const relays = await this.inner.relays()
    const canUse = ({ addresses, relays: found }: DialTargets) =>
      addresses.length > 0 || (found.length > 0 && relays.length > 0)
    if (canUse(request)) return request
    const carriers = carriersOf(await this.inner.localAddresses())
    const known = request.relays.length > 0 ? [] : await this.#lookup(idToText(request.remoteId), false)
    const targets = reachableAddresses(known, carriers)
    if (canUse(targets)) return { ...request, ...targets }
    if (relays.length === 0 && (carriers.size === 0 || request.relays.length > 0 || targets.relays.length > 0))
      throw new NoRelayConfiguredError('this peer can only be reached over a relay, and none is configured')
    throw new NoAddressError('no address of this peer is known')
  }

  async #rediscover(connectionId: number): Promise<void> {
    const remoteId = this.#dialled.get(connectionId)
    if (remoteId === undefined || this.#discovery.length === 0 || this.#asking.has(connectionId)) return
    this.#asking.add(connectionId)
    try {
      const found = await this.#lookup(remoteId, true)
      const targets = reachableAddresses(found, carriersOf(await this.inner.localAddresses()))
      if (targets.addresses.length > 0 || targets.relays.length > 0) this.inner.addAddresses(connectionId, targets)
    } finally {
      this.#asking.delete(connectionId)
    }
  }

  async #lookup(remoteId: string, fresh: boolean): ReturnType<Discovery['lookup']> {
    if (this.#discovery.length === 0) return []
    const signal = AbortSignal.timeout(this.#timeoutMs)
    const late = new Promise<[]>((resolve) => signal.addEventListener('abort', () => resolve([]), { once: true }))
    const readRecord = this.#readRecord
    const options = readRecord === undefined ? { signal, fresh } : { signal, fresh, readRecord }
    const answers = this.#discovery.map(async (discovery) => {
      try {
        return await Promise.race([discovery.lookup(remoteId, options), late])
      } catch (thrown) {
        const error = thrown instanceof Error ? thrown.message : String(thrown)
        this.#logger?.warn('a lookup failed', { discovery: discovery.name, error })
        return []
      }
    })
    return (await Promise.all(answers)).flat()
  }
}
