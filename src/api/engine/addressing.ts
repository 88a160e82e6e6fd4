import type { Discovery } from '../../discovery/discovery.js'
import type { ConnectRequest, Engine } from '../../driver/engine.js'
import { NoAddressError, NoRelayConfiguredError } from '../../errors/index.js'
import type { Logger } from '../../observe/logger.js'
import { carriersOf, reachableAddresses } from '../dial-address.js'
import { idToText } from '../identity.js'
import { ForwardingEngine } from './forwarding.js'

/** Asks discovery for the addresses of a peer that is dialled without any, and says why a dial has nowhere to go. */
export class AddressingEngine extends ForwardingEngine {
  readonly #discovery: readonly Discovery[]
  readonly #timeoutMs: number
  readonly #logger: Logger | undefined

  /** @param timeoutMs how long all discoveries together may take. */
  constructor(inner: Engine, discovery: readonly Discovery[], timeoutMs: number, logger: Logger | undefined) {
    super(inner)
    this.#discovery = discovery
    this.#timeoutMs = timeoutMs
    this.#logger = logger
  }

  override async connect(request: ConnectRequest): Promise<number> {
    if (request.addresses.length > 0) return this.inner.connect(request)
    const carriers = carriersOf(await this.inner.localAddresses())
    const found = await this.#lookup(idToText(request.remoteId))
    const addresses = reachableAddresses(found, carriers)
    if (addresses.length > 0) return this.inner.connect({ ...request, addresses })
    if (carriers.size === 0 || found.some(({ kind }) => kind === 'relay')) {
      throw new NoRelayConfiguredError('this peer can only be reached over a relay, and none is configured')
    }
    throw new NoAddressError('no address of this peer is known')
  }

  async #lookup(remoteId: string): ReturnType<Discovery['lookup']> {
    if (this.#discovery.length === 0) return []
    const signal = AbortSignal.timeout(this.#timeoutMs)
    const late = new Promise<[]>((resolve) => signal.addEventListener('abort', () => resolve([]), { once: true }))
    const answers = this.#discovery.map(async (discovery) => {
      try {
        return await Promise.race([discovery.lookup(remoteId, { signal }), late])
      } catch (thrown) {
        const error = thrown instanceof Error ? thrown.message : String(thrown)
        this.#logger?.warn('a lookup failed', { discovery: discovery.name, error })
        return []
      }
    })
    return (await Promise.all(answers)).flat()
  }
}
