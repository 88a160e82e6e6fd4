import type { Core } from '../core/core.js'
import type { OutputSink } from '../core/records.js'
import type { Carriers } from './carriers.js'
import type { Clock } from './clock.js'

/** Bytes of packets produced in one turn: enough to spread a turn's cost, few enough to let input and timers in between. */
const DRAIN_BYTES = 64 * 1024

/** Longer timers fire at once; an early one only looks again. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** A timer that is later than this was kept from running, by more than a busy moment. */
const SLEPT_MS = 5000

/** What happens after each drain. */
export interface LoopActions {
  /** The machine slept, or timers did not run: a timer came much too late, or the wall clock went on without the monotonic one. */
  slept(): void
  /** Goes on with waiting reads and writes; may call the core. */
  settle(): void
  /** Hands out events; listeners may call anything. */
  emit(): void
  /** A turn failed: the core has panicked, or its output is malformed. There is no other turn. */
  fail(thrown: unknown): void
}

/**
 * The one event loop of an engine: what came in is ingested in one go, the core is drained, packets leave, promises settle,
 * events are emitted, and a timer is set for when the core wants to be drained next.
 */
export class EventLoop {
  readonly #clock: Clock
  readonly #core: Core
  readonly #carriers: Carriers
  readonly #sink: OutputSink
  readonly #actions: LoopActions
  /** How far the wall clock is ahead of the monotonic one. */
  #offset: number
  #scheduled = false
  #stopped = false
  #draining = false
  #timer: unknown
  #timerAt = Number.POSITIVE_INFINITY
  #quiet: (() => void)[] = []

  constructor(clock: Clock, core: Core, carriers: Carriers, sink: OutputSink, actions: LoopActions) {
    this.#clock = clock
    this.#offset = clock.epochMs() - clock.now()
    this.#core = core
    this.#carriers = carriers
    this.#sink = sink
    this.#actions = actions
  }

  /** Runs a turn soon; many calls until then make one turn. */
  schedule = (): void => {
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    this.#clock.setImmediate(this.#turn)
  }

  /** Drains the core at once; events wait for the next turn, for the caller may be one of their listeners. */
  flush(): void {
    if (this.#stopped || this.#draining) return
    try {
      this.#drain()
    } catch (thrown) {
      this.stop()
      this.#clock.setImmediate(() => this.#actions.fail(thrown))
    }
    this.schedule()
  }

  /** Resolves when the core has nothing to send now and the carriers have sent what they had, at most after `timeoutMs`. */
  quiet(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, timeoutMs)
      this.#quiet.push(() => {
        this.#clock.clearTimeout(timer)
        resolve()
      })
      this.schedule()
    })
  }

  /** Ends it: no turn runs any more. */
  stop(): void {
    this.#stopped = true
    this.#clearTimer()
    for (const resolve of this.#quiet.splice(0)) resolve()
  }

  #turn = (): void => {
    this.#scheduled = false
    if (this.#stopped) return
    this.#compareClocks()
    try {
      this.#drain()
    } catch (thrown) {
      this.stop()
      this.#actions.fail(thrown)
      return
    }
    this.#actions.emit()
  }

  /** On some platforms the monotonic clock stands still while the machine sleeps. */
  #compareClocks(): void {
    const offset = this.#clock.epochMs() - this.#clock.now()
    if (offset - this.#offset > SLEPT_MS) this.#actions.slept()
    this.#offset = offset
  }

  #drain(): void {
    this.#draining = true
    try {
      this.#drainOnce()
    } finally {
      this.#draining = false
    }
  }

  #drainOnce(): void {
    const writable = this.#carriers.writableBytes
    this.#core.drain(Math.min(writable, DRAIN_BYTES), this.#sink)
    const queued = this.#carriers.queued
    if (queued) this.#core.releasePackets()
    this.#actions.settle()
    const wake = this.#core.nextWake()
    const waiting = wake <= this.#clock.now()
    // Without room nothing can be sent, so the next turn is the carrier's to ask for.
    if (waiting && writable > 0) this.schedule()
    else if (!waiting) this.#arm(wake)
    if (!waiting && !queued && !this.#scheduled) for (const resolve of this.#quiet.splice(0)) resolve()
  }

  /** A timer that is set for earlier stays: it is cheaper to look again then than to move it in every turn. */
  #arm(wake: number): void {
    if (wake >= this.#timerAt || wake === Number.POSITIVE_INFINITY) return
    this.#clearTimer()
    this.#timerAt = wake
    this.#timer = this.#clock.setTimeout(this.#expired, Math.min(LONGEST_TIMER_MS, Math.ceil(wake - this.#clock.now())))
  }

  #expired = (): void => {
    const late = this.#clock.now() - this.#timerAt > SLEPT_MS
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    if (late) this.#actions.slept()
    if (!this.#scheduled) this.#turn()
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
  }
}
