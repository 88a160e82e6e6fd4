import type { Clock } from '../../driver/clock.js'

/** The pause before another attempt: doubled by each that fails. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/** Attempts in that time that a remote can be the cause of: each takes sockets and a certificate. */
const MAX_ATTEMPTS = 6
const ATTEMPTS_MS = 10_000

/** How long a remote is left alone that has said that there is nothing to be had. */
const REFUSED_MS = 600_000

/** When the next attempt with a remote may be made. */
export class AttemptPace {
  readonly #clock: Clock
  #failures = 0
  #notBefore = 0
  #window = { since: 0, attempts: 0 }

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** For how long none is to be begun by this side, in milliseconds; 0 or less: it may be now. */
  get waitMs(): number {
    return this.#notBefore - this.#clock.now()
  }

  /** One came to nothing. */
  failed(): void {
    this.#waitFor(Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS))
  }

  /** The remote has said that it makes no channels. */
  refused(): void {
    this.#waitFor(REFUSED_MS)
  }

  /** One has lasted: what failed before no longer counts. */
  lasted(): void {
    this.#failures = 0
  }

  /** Things are different now, and nothing that was counts. */
  reset(): void {
    this.#failures = 0
    this.#notBefore = 0
  }

  /** Counts one, whoever began it; false when there have been too many. */
  take(): boolean {
    const now = this.#clock.now()
    if (now - this.#window.since >= ATTEMPTS_MS) this.#window = { since: now, attempts: 0 }
    return ++this.#window.attempts <= MAX_ATTEMPTS
  }

  #waitFor(ms: number): void {
    this.#notBefore = Math.max(this.#notBefore, this.#clock.now() + ms)
  }
}
