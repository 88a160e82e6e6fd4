/** How many packets may be looked into: so many at once, and as many again each second. */
export class PacketRate {
  readonly #perSecond: number
  readonly #now: () => number
  #left: number
  #atMs: number

  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond
    this.#left = perSecond
    this.#now = now
    this.#atMs = now()
  }

  /** Whether one more may. */
  take(): boolean {
    const now = this.#now()
    this.#left = Math.min(this.#perSecond, this.#left + ((now - this.#atMs) * this.#perSecond) / 1000)
    this.#atMs = now
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}
