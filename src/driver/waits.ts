import type { AnypathError } from '../errors/index.js'

/** The two ends of a promise that somebody waits for. */
export interface Waiter<Value> {
  resolve(value: Value): void
  reject(error: AnypathError): void
}

export interface ReadWait extends Waiter<Uint8Array<ArrayBuffer> | null> {
  readonly maxBytes: number
}

/** Bytes that the core has not taken whole, or (without bytes) the end of the stream behind them. */
export interface WriteWait extends Waiter<void> {
  readonly bytes: Uint8Array | undefined
  offset: number
}

/** What waits for one stream. It only exists while something does. */
export class StreamWaits {
  read: ReadWait | undefined
  readonly writes: WriteWait[] = []
  /** Waits for the remote's acknowledgement of everything. */
  finish: Waiter<void> | undefined

  get empty(): boolean {
    return this.read === undefined && this.writes.length === 0 && this.finish === undefined
  }

  rejectRead(error: AnypathError): void {
    const { read } = this
    this.read = undefined
    read?.reject(error)
  }

  rejectWrites(error: AnypathError): void {
    const { finish } = this
    this.finish = undefined
    for (const write of this.writes.splice(0)) write.reject(error)
    finish?.reject(error)
  }
}

/** What waits for one connection. It exists from the dial or the `connected` event until the core has forgotten the connection. */
export class ConnectionWaits {
  readonly #streams = new Map<number, StreamWaits>()
  readonly bidirectional: Waiter<number>[] = []
  readonly unidirectional: Waiter<number>[] = []
  /** Why it is closed, once it is. */
  error: AnypathError | undefined

  find(stream: number): StreamWaits | undefined {
    return this.#streams.get(stream)
  }

  stream(stream: number): StreamWaits {
    let waits = this.#streams.get(stream)
    if (!waits) {
      waits = new StreamWaits()
      this.#streams.set(stream, waits)
    }
    return waits
  }

  /** Forgets a stream for which nothing waits. */
  tidy(stream: number): void {
    if (this.#streams.get(stream)?.empty) this.#streams.delete(stream)
  }

  /** Rejects everything that waits, now and never again. */
  close(error: AnypathError): void {
    this.error ??= error
    for (const waiter of [...this.bidirectional.splice(0), ...this.unidirectional.splice(0)]) waiter.reject(this.error)
    this.rejectStreams(this.error)
  }

  /** Rejects what waits for the streams of now. */
  rejectStreams(error: AnypathError): void {
    const streams = [...this.#streams.values()]
    this.#streams.clear()
    for (const waits of streams) {
      waits.rejectRead(error)
      waits.rejectWrites(error)
    }
  }
}
