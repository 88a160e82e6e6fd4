/** How many packets of one source are looked into each second: many peers may live at one address, and each says little. */
const PER_SOURCE = 50
/** How many of all together, so that no number of sources keeps this machine busy. */
const IN_ALL = 1000
/** How many sources are told apart. */
const MAX_SOURCES = 1024

/** A token bucket: so many at once, and as many again each second. */
class PacketRate {
  readonly #perSecond: number
  #left: number
  #atMs: number

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#left = perSecond
    this.#atMs = nowMs
  }

  /** Whether one more may. */
  take(nowMs: number): boolean {
    this.#left = Math.min(this.#perSecond, this.#left + ((nowMs - this.#atMs) * this.#perSecond) / 1000)
    this.#atMs = nowMs
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }
}

/** How many packets may be looked into, by where they came from: who floods hides nobody else. */
export class PacketRates {
  readonly #now: () => number
  readonly #all: PacketRate
  readonly #sources = new Map<string, PacketRate>()

  constructor(now: () => number) {
    this.#now = now
    this.#all = new PacketRate(IN_ALL, now())
  }

  /** Whether one more of that source may. */
  take(source: string): boolean {
    const nowMs = this.#now()
    const rate = this.#sources.get(source) ?? new PacketRate(PER_SOURCE, nowMs)
    // The one that was heard least recently is forgotten first.
    this.#sources.delete(source)
    this.#sources.set(source, rate)
    const [oldest] = this.#sources.keys()
    if (this.#sources.size > MAX_SOURCES && oldest !== undefined) this.#sources.delete(oldest)
    return rate.take(nowMs) && this.#all.take(nowMs)
  }
}
