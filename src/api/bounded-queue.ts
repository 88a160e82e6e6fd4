import { InvalidArgumentError } from '../errors/index.js'

/** A queue with one consumer and a fixed bound, read by `for await`. */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #limit: number
  readonly #items: T[] = []
  #waiting: ((result: IteratorResult<T, undefined>) => void) | undefined
  #iterating = false
  #ended = false

  constructor(limit: number) {
    this.#limit = limit
  }

  get length(): number {
    return this.#items.length
  }

  /** Adds an item; `false` when the queue is full or has ended, and the item was not taken. */
  push(item: T): boolean {
    if (this.#ended) return false
    if (this.#waiting !== undefined) {
      const resolve = this.#waiting
      this.#waiting = undefined
      resolve({ done: false, value: item })
      return true
    }
    if (this.#items.length >= this.#limit) return false
    this.#items.push(item)
    return true
  }

  /** Keeps only the waiting items that pass. */
  retain(passes: (item: T) => boolean): void {
    const kept = this.#items.filter(passes)
    this.#items.splice(0, this.#items.length, ...kept)
  }

  /** Nothing more comes. Items that wait are still handed out. */
  end(): void {
    this.#ended = true
    this.#waiting?.({ done: true, value: undefined })
    this.#waiting = undefined
  }

  /**
   * Begins to consume. After `break` out of a loop another one may begin.
   *
   * @throws InvalidArgumentError while somebody else consumes.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined> {
    if (this.#iterating)
      throw new InvalidArgumentError('incoming connections have one consumer, and there is one already')
    this.#iterating = true
    let over = false
    const iterator: AsyncIterableIterator<T, undefined> = {
      next: () => (over ? Promise.resolve({ done: true, value: undefined }) : this.#next()),
      return: () => {
        over = true
        this.#iterating = false
        this.#waiting?.({ done: true, value: undefined })
        this.#waiting = undefined
        return Promise.resolve({ done: true, value: undefined })
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  #next(): Promise<IteratorResult<T, undefined>> {
    const item = this.#items.shift()
    if (item !== undefined) return Promise.resolve({ done: false, value: item })
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      if (this.#waiting !== undefined) {
        reject(new InvalidArgumentError('the next incoming connection is already being waited for'))
        return
      }
      this.#waiting = resolve
    })
  }
}
