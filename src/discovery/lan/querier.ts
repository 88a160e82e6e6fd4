import { FAMILIES, type Family, type LanClock } from './link.js'
import { encodeQuery, type LanAddress, type LanAnswer } from './message.node.js'
import { Neighbours } from './neighbours.js'

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

interface Waiting {
  readonly heard: (addresses: readonly LanAddress[]) => void
  timer: unknown
  asked: number
}

/** Asks where peers are, and remembers what is said of them. */
export class Querier {
  readonly #parts: QuerierParts
  readonly #neighbours: Neighbours
  readonly #waiting = new Map<string, Set<Waiting>>()
  readonly #questions = new Set<string>()
  #lastMs = Number.NEGATIVE_INFINITY
  #timer: unknown

  constructor(parts: QuerierParts) {
    this.#parts = parts
    this.#neighbours = new Neighbours(() => parts.clock.now())
  }

  /** How many peers are remembered. */
  get size(): number {
    return this.#neighbours.size
  }

  /** What was said of a peer not long ago; empty when nothing was. */
  known(id: string): readonly LanAddress[] {
    return this.#neighbours.known(id)
  }

  /** Asks, now or only if it takes longer than a second, and tells what each answer says, until `signal` ends it. */
  watch(id: string, signal: AbortSignal, askNow: boolean, heard: Waiting['heard']): void {
    if (signal.aborted) return
    const all = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, all)
    const waiting: Waiting = { timer: undefined, asked: 0, heard }
    const ended = () => {
      this.#parts.clock.clearTimeout(waiting.timer)
      all.delete(waiting)
      if (all.size === 0 && this.#waiting.get(id) === all) this.#waiting.delete(id)
    }
    signal.addEventListener('abort', ended, { once: true })
    all.add(waiting)
    if (askNow) this.#askAgain(id, waiting)
    else this.#askLater(id, waiting)
  }

  /** Takes what a source says of a peer: whether it is true shows when the peer is dialled. */
  heard(answer: LanAnswer, source: string): void {
    const addresses = this.#neighbours.heard(answer, source)
    if (addresses.length === 0) return
    for (const { heard } of [...(this.#waiting.get(answer.id) ?? [])]) heard(addresses)
  }

  /** Forgets everybody: the link was left, and what was said on it is old when it is joined again. */
  forget(): void {
    this.#neighbours.clear()
    this.#parts.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#questions.clear()
  }

  #askAgain(id: string, waiting: Waiting): void {
    this.#questions.add(id)
    this.#askSoon()
    this.#askLater(id, waiting)
  }

  #askLater(id: string, waiting: Waiting): void {
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
