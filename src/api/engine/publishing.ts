import type { TicketAddress } from '../../discovery/address.js'
import type { Discovery } from '../../discovery/discovery.js'
import type { PublishingClock } from '../../discovery/record.js'
import type { Engine, EngineEvent } from '../../driver/engine.js'
import type { RecordKeeper } from '../../driver/record-keeper.js'
import type { Logger } from '../../observe/logger.js'
import { ForwardingEngine } from './forwarding.js'
import { IsolatedPublication } from './isolated-publication.js'

/** How long closing waits at most for the withdrawals to be signed, which only the open core can do. */
const SIGNING_MS = 250

/** What a publishing engine is put together from. */
export interface PublishingParts {
  readonly records: RecordKeeper
  readonly discovery: readonly Discovery[]
  readonly clock: PublishingClock
  readonly logger: Logger | undefined
}

/** Tells every discovery that publishes where this peer can be reached: its sockets, and its home relay while that is connected. */
export class PublishingEngine extends ForwardingEngine {
  readonly #publications: readonly IsolatedPublication[]
  readonly #clock: PublishingClock
  #listener: (event: EngineEvent) => void = () => {}
  #looking = false
  #stale = false
  #closing: Promise<void> | undefined

  constructor(inner: Engine, { records, discovery, clock, logger }: PublishingParts) {
    super(inner)
    this.#clock = clock
    this.#publications = discovery
      .filter(({ publish }) => publish !== undefined)
      .map((each) => new IsolatedPublication(each, { records, clock, logger, endpointId: inner.endpointId }))
    inner.onEvent((event) => {
      if (event.type === 'relay' || event.type === 'network') void this.#look()
      this.#listener(event)
    })
    void this.#look()
  }

  override onEvent(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  override networkChanged(): void {
    super.networkChanged()
    void this.#look()
  }

  /** Closes the connections at once; what was published is withdrawn at the same time. */
  override close(code: number, reason: string, timeoutMs: number): Promise<void> {
    this.#closing ??= this.#close(code, reason, timeoutMs)
    return this.#closing
  }

  async #close(code: number, reason: string, timeoutMs: number): Promise<void> {
    const withdrawn = this.#publications.map((publication) => publication.close())
    const signed = Promise.all(this.#publications.map(({ withdrawalSigned }) => withdrawalSigned))
    let timer: unknown
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.setTimeout(resolve, SIGNING_MS)
    })
    await Promise.race([signed, late])
    this.#clock.clearTimeout(timer)
    await Promise.all([this.inner.close(code, reason, timeoutMs), ...withdrawn])
  }

  /** Looks where the peer can be reached now. What changes meanwhile is looked at once more. */
  async #look(): Promise<void> {
    this.#stale = true
    if (this.#looking || this.#publications.length === 0) return
    this.#looking = true
    try {
      while (this.#stale && this.#closing === undefined) {
        this.#stale = false
        const addresses = await this.#addresses()
        for (const publication of this.#publications) publication.update(addresses)
      }
    } catch {
      // The engine is closed or broken, which whoever uses it learns otherwise.
    } finally {
      this.#looking = false
    }
  }

  async #addresses(): Promise<TicketAddress[]> {
    const [relays, sockets] = await Promise.all([this.inner.relays(), this.inner.localAddresses()])
    return [
      ...relays.flatMap(({ home, state, url }): TicketAddress[] =>
        home && state === 'connected' ? [{ kind: 'relay', url }] : [],
      ),
      ...sockets.flatMap(({ transport, host, port }): TicketAddress[] =>
        transport === 'udp' ? [{ kind: 'ip', host, port }] : [],
      ),
    ]
  }
}
