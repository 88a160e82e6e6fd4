import { FAMILIES, type Family, type LanClock } from './link.js'
import { encodeQuery, type LanAddress, type LanAnswer } from './message.node.js'

/** How many peers are remembered. */
const MAX_KEPT = 256
/** How long an answer is believed at most (RFC 6762 section 10). */
const MAX_TTL_MS = 120_000
/** Older stock peers say that their announcements hold for no time at all; they repeat them more often than this. */
const MIN_TTL_MS = 3000
/** When a peer that is looked for is asked for again, after the first time. */
const REPEAT_MS = [1000, 3000, 7000, 15_000]
/** Questions that come more closely are asked together. */
const MIN_INTERVAL_MS = 200
/** How many peers are asked for in one packet. */
const MAX_QUESTIONS = 8

/** What a querier needs around it. */
export interface QuerierParts {
  readonly clock: LanClock
  readonly send: (packet: Uint8Array, family: Family) => void
}

interface Kept {
  readonly addresses: readonly LanAddress[]
  readonly untilMs: number
}

interface Waiting {
  readonly done: (addresses: readonly LanAddress[]) => void
  timer: unknown
  asked: number
}

/** Asks where peers are, and remembers what is said of them. */
export class Querier {
  readonly #parts: QuerierParts
  readonly #kept = new Map<string, Kept>()
  readonly #waiting = new Map<string, Set<Waiting>>()
  readonly #questions = new Set<string>()
  #lastMs = Number.NEGATIVE_INFINITY
  #timer: unknown

  constructor(parts: QuerierParts) {
    this.#parts = parts
  }

  /** How many peers are remembered. */
  get size(): number {
    return this.#kept.size
  }

  /** What was said of a peer not long ago. */
  known(id: string): readonly LanAddress[] | undefined {
    const kept = this.#kept.get(id)
    if (kept === undefined || kept.untilMs > this.#parts.clock.now()) return kept?.addresses
    this.#kept.delete(id)
    return undefined
  }

  /** Asks until somebody answers. Empty once `signal` ends it. */
  find(id: string, signal: AbortSignal): Promise<readonly LanAddress[]> {
    return new Promise((resolve) => {
      const all = this.#waiting.get(id) ?? new Set()
      this.#waiting.set(id, all)
      const waiting: Waiting = {
        timer: undefined,
        asked: 0,
        done: (addresses) => {
          this.#parts.clock.clearTimeout(waiting.timer)
          signal.removeEventListener('abort', ended)
          all.delete(waiting)
          if (all.size === 0 && this.#waiting.get(id) === all) this.#waiting.delete(id)
          resolve(addresses)
        },
      }
      const ended = () => waiting.done([])
      signal.addEventListener('abort', ended, { once: true })
      all.add(waiting)
      if (signal.aborted) ended()
      else this.#askAgain(id, waiting)
    })
  }

  /** Takes what was said of a peer, by anybody: whether it is true shows when the peer is dialled. */
  heard({ id, addresses, ttlSeconds }: LanAnswer): void {
    this.#kept.delete(id)
    if (addresses.length === 0) return
    const ttlMs = Math.max(MIN_TTL_MS, Math.min(MAX_TTL_MS, ttlSeconds * 1000))
    this.#kept.set(id, { addresses, untilMs: this.#parts.clock.now() + ttlMs })
    // Whoever has been silent the longest is forgotten first.
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest)
    for (const waiting of [...(this.#waiting.get(id) ?? [])]) waiting.done(addresses)
  }

  /** Forgets everybody: the link was left, and what was said on it is old when it is joined again. */
  forget(): void {
    this.#kept.clear()
    this.#parts.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#questions.clear()
  }

  #askAgain(id: string, waiting: Waiting): void {
    this.#questions.add(id)
    this.#askSoon()
    const delayMs = REPEAT_MS[waiting.asked]
    waiting.asked += 1
    if (delayMs === undefined) return
    const sinceMs = REPEAT_MS[waiting.asked - 2] ?? 0
    waiting.timer = this.#parts.clock.setTimeout(() => this.#askAgain(id, waiting), delayMs - sinceMs)
  }

  #askSoon(): void {
    if (this.#timer !== undefined || this.#questions.size === 0) return
    const { clock } = this.#parts
    const waitMs = Math.max(0, this.#lastMs + MIN_INTERVAL_MS - clock.now())
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined
      this.#ask()
    }, waitMs)
  }

  #ask(): void {
    const ids = [...this.#questions].slice(0, MAX_QUESTIONS)
    for (const id of ids) this.#questions.delete(id)
    // Those who were found or given up meanwhile need no question.
    const wanted = ids.filter((id) => this.#waiting.has(id))
    if (wanted.length > 0) {
      this.#lastMs = this.#parts.clock.now()
      for (const family of FAMILIES) this.#parts.send(encodeQuery(wanted), family)
    }
    this.#askSoon()
  }
}
