import { type Core, CoreRefusal } from '../core/core.js'
import { type AnypathError, createError } from '../errors/index.js'
import { forgottenError, refusalError, stoppedError, streamClosedError } from './errors.js'
import { ConnectionWaits, type StreamWaits, type Waiter, type WriteWait } from './waits.js'

/**
 * Reads, writes and openings that wait for the core, by connection and stream.
 *
 * A call is tried at once; what the core can't do yet waits here until the drain says that it can. Everything that waits is settled
 * exactly once, at the latest when its connection closes.
 */
export class Streams {
  readonly #core: Core
  readonly #connections = new Map<number, ConnectionWaits>()

  constructor(core: Core) {
    this.#core = core
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Begins to keep what waits for a connection. */
  add(connection: number): void {
    if (!this.#connections.has(connection)) this.#connections.set(connection, new ConnectionWaits())
  }

  /** Waits while the remote allows no more, or rejects with `StreamLimit` when it is not to. */
  open(connection: number, bidirectional: boolean, wait: boolean): Promise<number> {
    return this.#waiting(connection, (waits, waiter) => {
      if (waits.error) throw waits.error
      const queue = bidirectional ? waits.bidirectional : waits.unidirectional
      if (queue.length === 0 && this.#tryOpen(connection, bidirectional, waits, waiter)) return
      if (!wait) throw createError('StreamLimit', 'the remote allows no more streams now')
      queue.push(waiter)
    })
  }

  read(connection: number, stream: number, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    // Data that came before a close can be read until the core forgets it, so the core is asked first.
    return this.#waiting(connection, (waits, { resolve, reject }) => {
      if (waits.find(stream)?.read) throw createError('InvalidArgument', 'a stream is read by one call at a time')
      const read = { resolve, reject, maxBytes }
      if (this.#tryRead(connection, stream, read)) return
      if (waits.error) throw waits.error
      waits.stream(stream).read = read
    })
  }

  /** The bytes are read until the promise settles. */
  write(connection: number, stream: number, bytes: Uint8Array): Promise<void> {
    return this.#queueWrite(connection, stream, bytes)
  }

  finish(connection: number, stream: number): Promise<void> {
    return this.#queueWrite(connection, stream, undefined)
  }

  reset(connection: number, stream: number, code: number): void {
    this.#core.reset(connection, stream, code)
    const waits = this.#connections.get(connection)
    waits?.find(stream)?.rejectWrites(streamClosedError())
    waits?.tidy(stream)
  }

  stop(connection: number, stream: number, code: number): void {
    this.#core.stop(connection, stream, code)
    const waits = this.#connections.get(connection)
    waits?.find(stream)?.rejectRead(streamClosedError())
    waits?.tidy(stream)
  }

  /** The core has bytes, or the end, of a stream. */
  readable(connection: number, stream: number): void {
    const waits = this.#connections.get(connection)
    const found = waits?.find(stream)
    if (!waits || !found?.read) return
    if (this.#tryRead(connection, stream, found.read)) found.read = undefined
    waits.tidy(stream)
  }

  /** The core takes bytes of a stream again. */
  writable(connection: number, stream: number): void {
    const waits = this.#connections.get(connection)
    const found = waits?.find(stream)
    if (!waits || !found) return
    this.#continueWrites(connection, stream, found)
    waits.tidy(stream)
  }

  /** The remote allows more streams. */
  streamsAvailable(connection: number, bidirectional: boolean): void {
    const waits = this.#connections.get(connection)
    if (!waits) return
    const queue = bidirectional ? waits.bidirectional : waits.unidirectional
    while (queue[0] && this.#tryOpen(connection, bidirectional, waits, queue[0])) queue.shift()
  }

  /** The remote has acknowledged all of a stream. */
  finished(connection: number, stream: number): void {
    const waits = this.#connections.get(connection)
    const found = waits?.find(stream)
    if (!waits || !found?.finish) return
    found.finish.resolve()
    found.finish = undefined
    waits.tidy(stream)
  }

  /** The remote wants no more of a stream. */
  stopped(connection: number, stream: number, code: number): void {
    const waits = this.#connections.get(connection)
    waits?.find(stream)?.rejectWrites(stoppedError(code))
    waits?.tidy(stream)
  }

  /** Early data was not taken: its streams are gone, and their ids will be used again. What waits to open one goes on waiting. */
  rejectStreams(connection: number, error: AnypathError): void {
    this.#connections.get(connection)?.rejectStreams(error)
  }

  /** Rejects everything that waits for a connection. */
  close(connection: number, error: AnypathError): void {
    this.#connections.get(connection)?.close(error)
  }

  /** Forgets a connection. */
  delete(connection: number): void {
    this.close(connection, forgottenError())
    this.#connections.delete(connection)
  }

  /** Rejects everything that waits for anything. */
  closeAll(error: AnypathError): void {
    for (const waits of this.#connections.values()) waits.close(error)
    this.#connections.clear()
  }

  #waiting<Value>(connection: number, begin: (waits: ConnectionWaits, waiter: Waiter<Value>) => void): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      const waits = this.#connections.get(connection)
      if (!waits) throw forgottenError()
      begin(waits, { resolve, reject })
    })
  }

  #queueWrite(connection: number, stream: number, bytes: Uint8Array | undefined): Promise<void> {
    return this.#waiting(connection, (waits, { resolve, reject }) => {
      if (waits.error) throw waits.error
      const write: WriteWait = { bytes, offset: 0, resolve, reject }
      const found = waits.find(stream)
      if (found && found.writes.length > 0) {
        found.writes.push(write)
      } else if (bytes !== undefined) {
        if (!this.#tryWrite(connection, stream, write)) waits.stream(stream).writes.push(write)
      } else {
        this.#finish(connection, stream, waits.stream(stream), write)
        waits.tidy(stream)
      }
    })
  }

  #continueWrites(connection: number, stream: number, waits: StreamWaits): void {
    for (let write = waits.writes[0]; write; write = waits.writes[0]) {
      if (write.bytes === undefined) this.#finish(connection, stream, waits, write)
      else if (!this.#tryWrite(connection, stream, write)) return
      waits.writes.shift()
    }
  }

  /** Settles the opening unless the remote allows no more streams now. */
  #tryOpen(connection: number, bidirectional: boolean, waits: ConnectionWaits, waiter: Waiter<number>): boolean {
    const stream = this.#core.openStream(connection, bidirectional)
    if (stream === 'blocked') return false
    if (stream === 'closed') waiter.reject(waits.error ?? forgottenError())
    else waiter.resolve(stream)
    return true
  }

  /** Settles the read unless there is nothing to read now. */
  #tryRead(
    connection: number,
    stream: number,
    read: { maxBytes: number } & Waiter<Uint8Array<ArrayBuffer> | null>,
  ): boolean {
    const result = this.#core.read(connection, stream, read.maxBytes)
    if (result === 'empty') return false
    if (result === 'finished') read.resolve(null)
    else if (result instanceof CoreRefusal)
      read.reject(this.#connections.get(connection)?.error ?? refusalError(result))
    else read.resolve(result)
    return true
  }

  /** Settles the write unless the core takes only a part of it now. */
  #tryWrite(connection: number, stream: number, write: WriteWait): boolean {
    const { bytes } = write
    while (bytes !== undefined && write.offset < bytes.length) {
      const taken = this.#core.write(connection, stream, bytes, write.offset)
      if (taken instanceof CoreRefusal) {
        write.reject(refusalError(taken))
        return true
      }
      if (taken === 0) return false
      write.offset += taken
    }
    write.resolve()
    return true
  }

  #finish(connection: number, stream: number, waits: StreamWaits, waiter: Waiter<void>): void {
    const refusal = waits.finish ? new CoreRefusal(32, 0) : this.#core.finish(connection, stream)
    if (refusal) waiter.reject(refusalError(refusal))
    else waits.finish = waiter
  }
}
