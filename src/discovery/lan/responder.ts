import { FAMILIES, type Family, type LanClock } from './link.js'
import { encodeAnnouncement, encodeGoodbye, type LanAddress, type LanQuery, recordKeys } from './message.node.js'

/** What is known of a peer is not sent again before (RFC 6762 section 6). */
const MIN_INTERVAL_MS = 1000
/** Answers of many wait for a random time, so that they do not collide (RFC 6762 section 6). */
const MIN_ANSWER_DELAY_MS = 20
const MAX_ANSWER_DELAY_MS = 120
/** News is told so many times, in case that it gets lost (RFC 6762 section 8.3). */
const ANNOUNCEMENTS = 2

/** What a responder needs around it. */
export interface ResponderParts {
  /** 64 lower-case hexadecimal digits. */
  readonly id: string
  readonly clock: LanClock
  readonly send: (packet: Uint8Array, family: Family) => void
  /** From 0 up to 1. */
  readonly random: () => number
  /** How many others are there: the more, the rarer does each of them answer a question to all. */
  readonly others: () => number
}

/** Says where one peer is: when that changes, and when somebody asks. */
export class Responder {
  readonly #parts: ResponderParts
  readonly #schedules: ReadonlyMap<Family, Schedule>
  #addresses: readonly LanAddress[] = []
  #announced = false

  constructor(parts: ResponderParts) {
    this.#parts = parts
    this.#schedules = new Map(FAMILIES.map((family) => [family, new Schedule(parts.clock, () => this.#send(family))]))
  }

  /** Takes the addresses that are announced from now on, in place of the former ones. */
  update(addresses: readonly LanAddress[]): void {
    if (JSON.stringify(addresses) === JSON.stringify(this.#addresses)) return
    if (addresses.length === 0) return this.withdraw()
    this.#addresses = addresses
    for (const schedule of this.#schedules.values()) schedule.request(0, MIN_INTERVAL_MS, ANNOUNCEMENTS)
  }

  /** Answers a question of the others, in the family in which it came, if it is meant. */
  asked({ all, ids, known }: LanQuery, family: Family): void {
    const { id, random, others } = this.#parts
    if (this.#addresses.length === 0) return
    // Whoever lacks one of the records needs them all: stock peers read no address from a packet without its service.
    if (known.size > 0 && recordKeys(id, this.#addresses).every((key) => known.has(key))) return
    const delayMs = MIN_ANSWER_DELAY_MS + random() * (MAX_ANSWER_DELAY_MS - MIN_ANSWER_DELAY_MS)
    if (ids.has(id)) this.#schedules.get(family)?.request(delayMs, MIN_INTERVAL_MS)
    // Ten answers a second are enough for a link, and nobody waits for this one in particular.
    else if (all)
      this.#schedules.get(family)?.request(delayMs, MIN_INTERVAL_MS * Math.min(4, Math.max(1, others() / 10)))
  }

  /** Takes back what was announced, and says nothing until there are addresses again. */
  withdraw(): void {
    for (const schedule of this.#schedules.values()) schedule.cancel()
    const { id, send } = this.#parts
    if (this.#announced) for (const family of FAMILIES) send(encodeGoodbye(id, this.#addresses), family)
    this.#announced = false
    this.#addresses = []
  }

  #send(family: Family): void {
    this.#announced = true
    this.#parts.send(encodeAnnouncement(this.#parts.id, this.#addresses), family)
  }
}

/** Something that is done again and again, but not too often. */
class Schedule {
  readonly #clock: LanClock
  readonly #act: () => void
  #lastMs = Number.NEGATIVE_INFINITY
  #dueMs = Number.POSITIVE_INFINITY
  #timer: unknown
  #times = 0

  constructor(clock: LanClock, act: () => void) {
    this.#clock = clock
    this.#act = act
  }

  /** Has it done after `delayMs`, or once `intervalMs` have passed since the last time; so many times. */
  request(delayMs: number, intervalMs: number, times = 1): void {
    this.#times = Math.max(this.#times, times)
    const dueMs = Math.max(this.#clock.now() + delayMs, this.#lastMs + intervalMs)
    if (dueMs >= this.#dueMs) return
    this.#clock.clearTimeout(this.#timer)
    this.#dueMs = dueMs
    this.#timer = this.#clock.setTimeout(() => this.#run(), dueMs - this.#clock.now())
  }

  cancel(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#dueMs = Number.POSITIVE_INFINITY
    this.#times = 0
  }

  #run(): void {
    this.#dueMs = Number.POSITIVE_INFINITY
    this.#lastMs = this.#clock.now()
    const left = this.#times - 1
    this.#times = 0
    if (left > 0) this.request(0, MIN_INTERVAL_MS, left)
    this.#act()
  }
}
