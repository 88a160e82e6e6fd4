import type { AnypathError } from '../errors/index.js'

/**
 * Streams that the remote opened, waiting for the application. QUIC's limit on open streams bounds it: a stream that was not taken still
 * counts as open.
 */
export class IncomingStreams<T> {
  readonly #make: (streamId: number) => T
  readonly #waiting: number[] = []
  #readable: ReadableStream<T> | undefined
  #controller: ReadableStreamDefaultController<T> | undefined
  #wanted = false
  #over = false
  #end: AnypathError | 'closed' | undefined

  constructor(make: (streamId: number) => T) {
    this.#make = make
  }

  get readable(): ReadableStream<T> {
    if (this.#readable === undefined) {
      this.#readable = new ReadableStream<T>(
        {
          start: (controller) => {
            this.#controller = controller
          },
          pull: () => {
            this.#wanted = true
            this.#deliver()
          },
          cancel: () => {
            this.#over = true
          },
        },
        { highWaterMark: 0 },
      )
      this.#deliver()
    }
    return this.#readable
  }

  push(streamId: number): void {
    if (this.#end !== undefined) return
    this.#waiting.push(streamId)
    this.#deliver()
  }

  /** Ends it. Streams that wait are still handed out when the connection was closed by an application, so that nothing is lost. */
  end(how: AnypathError | 'closed'): void {
    this.#end ??= how
    this.#deliver()
  }

  #deliver(): void {
    if (this.#controller === undefined || this.#over) return
    if (this.#wanted) {
      const streamId = this.#waiting.shift()
      if (streamId !== undefined) {
        this.#wanted = false
        this.#controller.enqueue(this.#make(streamId))
      }
    }
    if (this.#waiting.length > 0 || this.#end === undefined) return
    this.#over = true
    if (this.#end === 'closed') this.#controller.close()
    else this.#controller.error(this.#end)
  }
}
