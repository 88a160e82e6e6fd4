import type { Clock } from '../../../src/driver/clock.js'

/** Virtual time: nothing happens until `advance` is called, and then everything in order. */
export class FakeClock implements Clock {
  #now = 0
  #next = 1
  readonly #timers = new Map<number, { readonly at: number; readonly callback: () => void }>()
  #immediates: (() => void)[] = []

  now(): number {
    return this.#now
  }

  epochMs(): number {
    return 1_750_000_000_000 + this.#now
  }

  setTimeout(callback: () => void, delayMs: number): number {
    const handle = this.#next++
    this.#timers.set(handle, { at: this.#now + Math.max(delayMs, 0), callback })
    return handle
  }

  clearTimeout(handle: unknown): void {
    this.#timers.delete(handle as number)
  }

  setImmediate(callback: () => void): void {
    this.#immediates.push(callback)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Lets `ms` of virtual time pass; promises settle between any two callbacks. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await this.#runImmediates()
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0]
      if (!due) break
      const [handle, { at, callback }] = due
      this.#timers.delete(handle)
      this.#now = Math.max(this.#now, at)
      callback()
      await settled()
    }
    this.#now = end
  }

  /** Lets virtual time pass in small steps until the promise settles; fails after `mostMs`. */
  async until<Value>(promise: Promise<Value>, mostMs = 60_000): Promise<Value> {
    let done = false
    const mark = (): void => {
      done = true
    }
    promise.then(mark, mark)
    for (const start = this.#now; !done; ) {
      if (this.#now - start > mostMs) throw new Error(`nothing happened in ${mostMs} ms of virtual time`)
      await this.advance(1)
    }
    return promise
  }

  async #runImmediates(): Promise<void> {
    await settled()
    while (this.#immediates.length > 0) {
      const batch = this.#immediates
      this.#immediates = []
      for (const callback of batch) {
        callback()
        await settled()
      }
    }
  }
}

/** Lets every promise reaction run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
