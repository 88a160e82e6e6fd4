/** An allowance that refills steadily: so much a second, and so much at once. */
export class TokenBucket {
  readonly #perMs: number
  readonly #capacity: number
  #level: number
  #at: number

  /** @param perSecond 0 for no limit. */
  constructor(perSecond: number, capacity: number, now: number) {
    this.#perMs = perSecond / 1000
    this.#capacity = capacity
    this.#level = capacity
    this.#at = now
  }

  /** Takes tokens that were used already, so that the level may fall below zero; gives how long to wait until it is zero again. */
  take(count: number, now: number): number {
    if (this.#perMs === 0) return 0
    this.#refill(now)
    this.#level -= count
    return this.#level >= 0 ? 0 : -this.#level / this.#perMs
  }

  /** Takes tokens if they are there. */
  tryTake(count: number, now: number): boolean {
    if (this.#perMs === 0) return true
    this.#refill(now)
    if (this.#level < count) return false
    this.#level -= count
    return true
  }

  /** Whether nothing is owed or missing, so that a new bucket would be the same. */
  isFull(now: number): boolean {
    this.#refill(now)
    return this.#level >= this.#capacity
  }

  #refill(now: number): void {
    this.#level = Math.min(this.#capacity, this.#level + (now - this.#at) * this.#perMs)
    this.#at = now
  }
}
