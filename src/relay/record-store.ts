import type { MutableMetrics } from './metrics.js'
import type { RelayLimits } from './options.js'

interface StoredRecord {
  readonly payload: Buffer
  readonly micros: number
  readonly putAt: number
}

/** How far ahead of this clock a record's time may be: later ones could not be replaced by their own key. */
const MAX_AHEAD_MICROS = 10 * 60 * 1_000_000

export type PutOutcome = 'stored' | 'older' | 'future'

/** The newest signed record of each key, bounded in number and age; the one that was put longest ago goes first. */
export class RecordStore {
  readonly #records = new Map<string, StoredRecord>()
  readonly #limits: RelayLimits
  readonly #metrics: MutableMetrics
  readonly #wallClock: () => number

  /** @param wallClock milliseconds since 1970. */
  constructor(limits: RelayLimits, metrics: MutableMetrics, wallClock: () => number) {
    this.#limits = limits
    this.#metrics = metrics
    this.#wallClock = wallClock
  }

  /** Keeps a verified payload unless a newer one of its key is there. The same one again counts as put now. */
  put(key: Buffer, payload: Buffer, micros: number): PutOutcome {
    const now = this.#wallClock()
    if (micros > now * 1000 + MAX_AHEAD_MICROS) return 'future'
    const name = key.toString('latin1')
    const known = this.#current(name, now)
    if (known !== undefined && isOlder(payload, micros, known)) return 'older'
    // Put back at the end, so that the order of the map is the order of puts.
    this.#records.delete(name)
    this.#records.set(name, { payload: Buffer.from(payload), micros, putAt: now })
    if (this.#records.size > this.#limits.maxRecords) {
      const [oldest] = this.#records.keys()
      if (oldest !== undefined) this.#records.delete(oldest)
    }
    this.#metrics.records = this.#records.size
    return 'stored'
  }

  get(key: Buffer): Buffer | undefined {
    return this.#current(key.toString('latin1'), this.#wallClock())?.payload
  }

  /** Forgets what is too old. */
  expire(): void {
    const now = this.#wallClock()
    for (const [name, { putAt }] of this.#records) {
      if (now - putAt <= this.#limits.recordAgeMs) break
      this.#records.delete(name)
    }
    this.#metrics.records = this.#records.size
  }

  #current(name: string, now: number): StoredRecord | undefined {
    const record = this.#records.get(name)
    return record !== undefined && now - record.putAt <= this.#limits.recordAgeMs ? record : undefined
  }
}

/** Of two with the same time the packet that is larger as bytes wins, so that all stores agree. */
function isOlder(payload: Buffer, micros: number, known: StoredRecord): boolean {
  if (micros !== known.micros) return micros < known.micros
  return Buffer.compare(payload.subarray(72), known.payload.subarray(72)) < 0
}
