import type { Engine, EngineEvent } from '../../driver/engine.js'
import { InvalidArgumentError } from '../../errors/index.js'
import type { EnginePort } from './messages.js'
import { type EngineServer, serveEngine } from './serve.js'

/** The ports that an engine is served to. Each sees its own connections: those that it dialled, and the first one those that come in. */
export class ServedPorts {
  readonly #engine: Engine
  readonly #closed: () => void
  readonly #servers = new Map<EnginePort, EngineServer>()
  /** By connection, until it is drained; the port may be gone by then. */
  readonly #owners = new Map<number, EngineServer>()
  /** Events of connections of which it is not known yet whose they are: a dial's own answer may come after its events. */
  readonly #unowned = new Map<number, EngineEvent[]>()

  /** @param closed called when the other side of a port closes the engine. */
  constructor(engine: Engine, closed: () => void) {
    this.#engine = engine
    this.#closed = closed
  }

  /** @throws InvalidArgumentError for a port that is served already. */
  add(port: EnginePort): void {
    if (this.#servers.has(port)) throw new InvalidArgumentError('this peer is served to this port already')
    const server = serveEngine(this.#engine, port, {
      dialled: (connectionId) => this.#claim(connectionId, server),
      isShared: () => this.#servers.size > 1,
      detached: () => this.#servers.delete(port),
      closed: this.#closed,
    })
    this.#servers.set(port, server)
  }

  /** The window at a port is gone, and has not said so. */
  gone(port: EnginePort): void {
    this.#servers.get(port)?.detach()
  }

  /** Passes an event on; false when it is none of any port's business. */
  take(event: EngineEvent): boolean {
    const [first] = this.#servers.values()
    if ('connectionId' in event) return this.#takeOf(event.connectionId, event, first)
    if (event.type === 'web-transport') first?.handle(event)
    else for (const server of this.#servers.values()) server.handle(event)
    return first !== undefined
  }

  /** The engine is gone. */
  close(code: number, reason: string): void {
    for (const server of this.#servers.values()) server.close(code, reason)
    this.#servers.clear()
  }

  #takeOf(connectionId: number, event: EngineEvent, first: EngineServer | undefined): boolean {
    const owner = this.#owners.get(connectionId)
    if (event.type === 'drained') {
      this.#owners.delete(connectionId)
      this.#unowned.delete(connectionId)
    }
    if (owner !== undefined) owner.handle(event)
    else if (first === undefined) return false
    else if (event.type !== 'drained') {
      this.#unowned.set(connectionId, [...(this.#unowned.get(connectionId) ?? []), event])
      if (event.type === 'connected' && event.info.incoming) this.#claim(connectionId, first)
    }
    return true
  }

  #claim(connectionId: number, server: EngineServer): void {
    this.#owners.set(connectionId, server)
    const held = this.#unowned.get(connectionId) ?? []
    this.#unowned.delete(connectionId)
    for (const event of held) server.handle(event)
  }
}
