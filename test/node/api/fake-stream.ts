import { createError } from '../../../src/errors/index.js'

const WINDOW_BYTES = 64 * 1024

/** One direction of a stream, with a window of 64 KiB. */
export class FakeHalf {
  readonly #chunks: Uint8Array<ArrayBuffer>[] = []
  #buffered = 0
  #finished = false
  #error: Error | undefined
  #stopped: Error | undefined
  #changed = deferredVoid()

  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes
    while (rest.length > 0) {
      if (this.#stopped) throw this.#stopped
      if (this.#error) throw createError('StreamClosed', 'reset before')
      const taken = rest.slice(0, WINDOW_BYTES - this.#buffered)
      rest = rest.subarray(taken.length)
      if (taken.length > 0) this.#chunks.push(taken)
      this.#buffered += taken.length
      if (taken.length > 0) this.#notify()
      if (rest.length > 0) await this.#changed.promise
    }
  }

  async finish(): Promise<void> {
    this.#finished = true
    this.#notify()
    while (this.#buffered > 0 && !this.#stopped) await this.#changed.promise
  }

  async read(maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    for (;;) {
      if (this.#error) throw this.#error
      const chunk = this.#chunks.shift()
      if (chunk !== undefined) {
        const taken = chunk.slice(0, maxBytes)
        if (taken.length < chunk.length) this.#chunks.unshift(chunk.slice(maxBytes))
        this.#buffered -= taken.length
        this.#notify()
        return taken
      }
      if (this.#finished) return null
      await this.#changed.promise
    }
  }

  reset(code: number): void {
    this.#error = createError('StreamReset', `reset with ${code}`, { streamErrorCode: code })
    this.#notify()
  }

  stop(code: number): void {
    this.#stopped = createError('StreamStopped', `stopped with ${code}`, { streamErrorCode: code })
    this.#notify()
  }

  #notify(): void {
    const { resolve } = this.#changed
    this.#changed = deferredVoid()
    resolve()
  }
}

function deferredVoid(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
