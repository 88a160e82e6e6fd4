import type { ConnectedInfo, Engine, EngineEvent } from '../../driver/engine.js'
import type { Logger } from '../../observe/logger.js'
import { idToText } from '../identity.js'
import type { AcceptHooks, IncomingAddress } from '../peer-options.js'
import { ForwardingEngine } from './forwarding.js'

/** Events that are kept for a connection while the hook decides; of datagrams none beyond them. */
const HELD_EVENTS = 64

/** What a remote is told that an accept hook did not want. */
const REFUSED = { code: 0, reason: 'refused' }

/**
 * Asks the application's accept hooks. What happens on an incoming connection is held back until its hook has decided, so that nothing
 * behind this engine ever sees a connection that was not wanted.
 */
export class AcceptingEngine extends ForwardingEngine {
  readonly #hooks: AcceptHooks
  readonly #logger: Logger | undefined
  readonly #wanted: (connectionId: number) => void
  /** The events of incoming connections that wait for the hook. */
  readonly #undecided = new Map<number, EngineEvent[]>()
  /** Those about whom the hook is being asked. */
  readonly #deciding = new Set<number>()
  readonly #refused = new Set<number>()
  #listener: (event: EngineEvent) => void = () => {}

  /** @param wanted is told of each connection that the hook wants. */
  constructor(
    inner: Engine,
    hooks: AcceptHooks,
    logger: Logger | undefined,
    wanted: (connectionId: number) => void = () => {},
  ) {
    super(inner)
    this.#hooks = hooks
    this.#logger = logger
    this.#wanted = wanted
    inner.onEvent((event) => this.#handle(event))
  }

  override onEvent(listener: (event: EngineEvent) => void): void {
    this.#listener = listener
  }

  #handle(event: EngineEvent): void {
    if (event.type === 'incoming') {
      const { type: _, incomingId, ...address } = event
      void this.#admit(incomingId, address)
      return
    }
    if (!('connectionId' in event) || this.#hooks.connection === undefined) return this.#listener(event)
    const { connectionId } = event
    if (this.#refused.has(connectionId)) {
      if (event.type !== 'drained') return
      this.#refused.delete(connectionId)
      return this.#listener(event)
    }
    const held = this.#undecided.get(connectionId)
    if (event.type === 'connected' && event.info.incoming) {
      this.#undecided.set(connectionId, [...(held ?? []), event])
      if (!event.info.early) void this.#decide(connectionId, event.info)
    } else if (held === undefined) {
      this.#listener(event)
    } else if (event.type === 'drained' && !this.#deciding.has(connectionId)) {
      // It ended before anybody was authenticated: nobody will be asked about it.
      this.#undecided.delete(connectionId)
      this.#listener(event)
    } else if (event.type !== 'datagram' || held.length < HELD_EVENTS) {
      held.push(event)
    }
  }

  async #admit(incomingId: number, address: IncomingAddress): Promise<void> {
    try {
      this.inner.admit(incomingId, (await this.#hooks.address?.(address)) ?? 'accept')
    } catch (thrown) {
      this.#report('address', thrown)
      this.inner.admit(incomingId, 'refuse')
    }
  }

  async #decide(connectionId: number, info: ConnectedInfo): Promise<void> {
    const { host, port, relay } = info.path
    const peer = {
      remoteId: idToText(info.remoteId),
      alpn: new TextDecoder().decode(info.alpn),
      address: relay === undefined ? { host, port } : { host, port, relay },
    }
    let wanted = false
    this.#deciding.add(connectionId)
    try {
      wanted = (await this.#hooks.connection?.(peer)) ?? true
    } catch (thrown) {
      this.#report('connection', thrown)
    }
    this.#deciding.delete(connectionId)
    const held = this.#undecided.get(connectionId) ?? []
    this.#undecided.delete(connectionId)
    if (wanted) {
      this.#wanted(connectionId)
      for (const event of held) this.#listener(event)
      return
    }
    const drained = held.find((event) => event.type === 'drained')
    if (drained !== undefined) return this.#listener(drained)
    this.#refused.add(connectionId)
    this.inner.closeConnection(connectionId, REFUSED.code, REFUSED.reason)
  }

  #report(hook: string, thrown: unknown): void {
    const error = thrown instanceof Error ? thrown.message : String(thrown)
    this.#logger?.error('an accept hook failed, so it refuses', { hook, error })
  }
}
