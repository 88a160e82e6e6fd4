/** What a watch needs of a clock; the driver's `Clock` has it. */
export interface WatchClock {
  setTimeout(callback: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
}

export interface InterfaceWatchOptions {
  readonly clock: WatchClock
  /** 0 never looks. */
  readonly intervalMs: number
  /** What is compared. What it throws counts as no change: the system may be short of something for a moment. */
  readonly read: () => string
  /** Called after each change. */
  readonly changed: () => void
}

/**
 * Notices that the machine's addresses change. Node tells of no such event, and a look costs 0.1 to 0.3 ms: most once caches are cold.
 *
 * A network that is left and another that is joined are two changes, or one when both fall between two looks.
 */
export class InterfaceWatch {
  readonly #options: InterfaceWatchOptions
  #last: string | undefined
  #timer: unknown

  constructor(options: InterfaceWatchOptions) {
    this.#options = options
    if (options.intervalMs <= 0) return
    this.#last = this.#read()
    this.#arm()
  }

  /** Ends the watch. Idempotent. */
  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#arm()
      this.#look()
    }, this.#options.intervalMs)
  }

  #look(): void {
    const now = this.#read()
    if (now === undefined || now === this.#last) return
    this.#last = now
    this.#options.changed()
  }

  #read(): string | undefined {
    try {
      return this.#options.read()
    } catch {
      return undefined
    }
  }
}
