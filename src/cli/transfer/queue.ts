/** A queue between one producer and one consumer that holds at most a fixed number of items. */
export class BoundedQueue<T> {
  readonly #items: T[] = []
  readonly #capacity: number
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** True when {@link shift} would have to wait. */
  get empty(): boolean {
    return this.#items.length === 0
  }

  /** Adds an item, waiting for room. */
  async push(item: T): Promise<void> {
    while (this.#items.length >= this.#capacity && this.#failure === undefined) await this.#changed()
    this.#items.push(item)
    this.#notify()
  }

  /** The next item, waiting for one; `undefined` once the producer has ended. Rejects with what {@link fail} was given. */
  async shift(): Promise<T | undefined> {
    while (this.#items.length === 0) {
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#ended) return undefined
      await this.#changed()
    }
    const item = this.#items.shift()
    this.#notify()
    return item
  }

  /** Says that no more items come. */
  end(): void {
    this.#ended = true
    this.#notify()
  }

  /** Makes {@link shift} reject once it has handed out what is left. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#notify()
  }

  // Only one side can be waiting: the producer of a full queue, or the consumer of an empty one.
  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
