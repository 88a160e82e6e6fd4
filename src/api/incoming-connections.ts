import type { Logger } from '../observe/logger.js'
import { BoundedQueue } from './bounded-queue.js'
import type { Connection } from './connection.js'

/** Connections that others dialled and that wait for the application, for one consumer. */
export class IncomingConnections implements AsyncIterable<Connection> {
  readonly #queue: BoundedQueue<Connection>
  readonly #logger: Logger | undefined

  /** @param backlog how many may wait. */
  constructor(backlog: number, logger: Logger | undefined) {
    this.#queue = new BoundedQueue(backlog)
    this.#logger = logger
  }

  /** Adds one, or closes it when too many wait. */
  offer(connection: Connection): void {
    if (this.#queue.push(connection)) return
    // A connection that is over may still hold what the remote sent, so it waits too; but not before a live one.
    this.#queue.retain(({ end }) => end === undefined)
    if (this.#queue.push(connection)) return
    this.#logger?.warn('an incoming connection was closed: the application is too slow', {
      remoteId: connection.remoteId,
    })
    connection.close({ reason: 'too many connections wait' })
  }

  /** No more come; those that wait can still be taken. */
  end(): void {
    this.#queue.end()
  }

  [Symbol.asyncIterator](): AsyncIterator<Connection> {
    return this.#queue[Symbol.asyncIterator]()
  }
}
