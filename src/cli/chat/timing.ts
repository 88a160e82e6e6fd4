/** Waiting, and how long between tries. */

export const pause = (ms: number): Promise<void> =>
  ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms))

/** Exponential backoff with full jitter in its upper half. @param attempt 0 for the first */
export const backoffMs = (attempt: number, [first, most]: readonly [number, number]): number =>
  Math.min(most, first * 2 ** Math.min(attempt, 16)) * (0.5 + Math.random() / 2)

/** When things are done; tests make them shorter. Milliseconds. */
export interface Timing {
  /** From one exchange with the rendezvous to the next. It is also what keeps the announcement alive. @default 15,000 */
  readonly announceMs: number
  /** The same, while the room is looking for its first member. @default 3,000 */
  readonly lookMs: number
  /** How often round-trip times are measured. @default 2,000 */
  readonly measureMs: number
  /** A dial is given up after this time. @default 10,000 */
  readonly dialMs: number
  /** The first and the longest pause between two dials of a member that was lost. @default [500, 10,000] */
  readonly redialMs: readonly [number, number]
  /** How long the side with the larger id waits for the other one to dial. @default 3,000 */
  readonly courtesyMs: number
  /** A member that can't be reached again for so long is called lost. @default 60,000 */
  readonly reconnectMs: number
  /** A member that left or was lost is listed for so long. @default 60,000 */
  readonly forgetMs: number
}

export const DEFAULT_TIMING: Timing = {
  announceMs: 15_000,
  lookMs: 3_000,
  measureMs: 2_000,
  dialMs: 10_000,
  redialMs: [500, 10_000],
  courtesyMs: 3_000,
  reconnectMs: 60_000,
  forgetMs: 60_000,
}
