import type { ConnectedInfo, EngineEvent } from '../driver/engine.js'
import { Connection, type ConnectionContext } from './connection.js'

/** Told what concerns more than one connection. */
export interface ConnectionTableObserver {
  /** The first `connected` of a connection: usable, though with early data not yet authenticated. */
  connected(connection: Connection, info: ConnectedInfo): void
  /** The remote is authenticated. */
  authenticated(connection: Connection): void
  state(connection: Connection, event: EngineEvent & { type: 'state' }): void
  closed(connection: Connection): void
}

/** Every connection that the core knows, by its id; gives events to the connection that they concern. */
export class ConnectionTable {
  readonly #connections = new Map<number, Connection>()
  readonly #context: ConnectionContext
  readonly #observer: ConnectionTableObserver

  constructor(context: ConnectionContext, observer: ConnectionTableObserver) {
    this.#context = context
    this.#observer = observer
  }

  /** Closed connections included, until the core has forgotten them. */
  get size(): number {
    return this.#connections.size
  }

  values(): IterableIterator<Connection> {
    return this.#connections.values()
  }

  /** The connections with a remote that are not over, those being dialled included, the oldest first. */
  live(remoteId: string): readonly Connection[] {
    const live: Connection[] = []
    for (const connection of this.values())
      if (connection.remoteId === remoteId && connection.end === undefined) live.push(connection)
    return live
  }

  /** The connection of an id: an event of a dial may come before the dial's own answer, so either makes it. */
  get(id: number): Connection {
    let connection = this.#connections.get(id)
    if (connection === undefined) {
      connection = new Connection(this.#context, id)
      this.#connections.set(id, connection)
    }
    return connection
  }

  handle(event: EngineEvent): void {
    if (!('connectionId' in event) && event.type !== 'failed') return
    if (event.type === 'discover') return
    if (event.type === 'failed') {
      const connections = [...this.#connections.values()]
      this.#connections.clear()
      for (const connection of connections) this.#close(connection, event)
    } else if (event.type === 'drained') {
      this.#connections.delete(event.connectionId)
    } else {
      this.#dispatch(this.get(event.connectionId), event)
    }
  }

  #dispatch(connection: Connection, event: EngineEvent): void {
    if (event.type === 'closed') return this.#close(connection, event)
    const first = event.type === 'connected' && !connection.connected
    connection.handle(event)
    if (event.type === 'state') this.#observer.state(connection, event)
    if (event.type !== 'connected') return
    if (first) this.#observer.connected(connection, event.info)
    if (!event.info.early) this.#observer.authenticated(connection)
  }

  #close(connection: Connection, event: EngineEvent): void {
    if (connection.end !== undefined) return
    connection.handle(event)
    this.#observer.closed(connection)
  }
}
