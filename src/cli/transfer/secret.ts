/** Comparing secrets, and slowing down those who guess them. */
import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether both are the same, in a time that does not depend on where they differ. */
export const sameSecret = (a: Uint8Array, b: Uint8Array): boolean => {
  // Hashing first makes the lengths equal, which timingSafeEqual demands.
  const digest = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()
  return timingSafeEqual(digest(a), digest(b))
}

const firstDelayMs = 1_000
const longestDelayMs = 60_000
const forgetAfterMs = 10 * 60_000
const maxTracked = 10_000

/** Shuts out an address that showed wrong secrets: one second after the first, twice as long after each further one. */
export class SecretGuard {
  readonly #offenders = new Map<string, { wrong: number; until: number }>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** How many milliseconds the address must still wait; 0 when it may try. */
  waitMs(address: string): number {
    const offender = this.#offenders.get(address)
    return offender === undefined ? 0 : Math.max(0, offender.until - this.#now())
  }

  /** Counts a wrong secret. */
  wrong(address: string): void {
    const now = this.#now()
    const wrong = (this.#offenders.get(address)?.wrong ?? 0) + 1
    const delay = Math.min(longestDelayMs, firstDelayMs * 2 ** (wrong - 1))
    this.#offenders.delete(address)
    this.#offenders.set(address, { wrong, until: now + delay })
    for (const [other, { until }] of this.#offenders) {
      if (this.#offenders.size <= maxTracked && until + forgetAfterMs > now) break
      this.#offenders.delete(other)
    }
  }

  /** Forgets an address that showed the right secret. */
  right(address: string): void {
    this.#offenders.delete(address)
  }
}
