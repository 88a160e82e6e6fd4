import type { Clock } from '../driver/clock.js'
import type { SessionState } from '../driver/engine.js'
import { STATES } from '../driver/names.js'
import type { Logger } from '../observe/logger.js'
import type { StateEvent } from './connection-events.js'

/**
 * Every arrow between states: a row for each that is left, a column for each that is entered, in the order of their numbers.
 *
 * - `a`: the API goes there, while there is no connection.
 * - `b`: the core begins. It forgets a session with its last connection, and tells `idle > connecting` whatever came in between.
 * - `c`: the core goes there, while there is a connection.
 */
const ARROWS = [
  '.ab....a..', // idle
  '..b.....a.', // discovering
  '...c.c..cc', // connecting
  '....ccc.cc', // relayed
  '...c.cc.cc', // traversing
  '...c..c.cc', // direct
  '...c.c..cc', // recovering
  '.ab......a', // reconnecting
  '.ab....a..', // failed
  '.ab....a..', // closed
]

/** @internal Who takes the arrow between two states, by the letters of the table. */
export function arrowOf(from: SessionState, to: SessionState): string | undefined {
  return ARROWS[STATES.indexOf(from)]?.[STATES.indexOf(to)]
}

/** @internal Whether there is a connection in that state: those, and only those, the core can close. */
export function hasConnection(state: SessionState): boolean {
  return arrowOf(state, 'closed') === 'c'
}

/** @internal What is to happen. `from` is where the core says that it was; the API's steps have none, and begin wherever the session is. */
export type Step = Omit<StateEvent, 'from' | 'elapsedMs'> & Partial<StateEvent>

interface Surroundings {
  readonly clock: Clock
  readonly logger: Logger | undefined
}

/**
 * Where one session stands. It changes by `step` alone, and each change is an event.
 *
 * Once it is in a state with a connection by a step it follows the core's session, state by state. Before, that may be older: this machine was
 * made later, or a connection that is none of the application's outlived the others. Then the core's word is taken for where it was.
 */
export class SessionMachine {
  readonly #context: Surroundings
  #state: SessionState
  #sinceMs: number
  #follows = false

  /** @param state where the core's session seems to stand, by what its connections were told. */
  constructor(context: Surroundings, state: SessionState) {
    this.#context = context
    this.#state = state
    this.#sinceMs = context.clock.now()
  }

  get state(): SessionState {
    return this.#state
  }

  /**
   * Takes the arrow, if whoever asks for it has one, and gives the event. What has none changes nothing and is logged: of the core's it is a
   * fault, of the API's something else came first. The session may be there already, since the core tells each connection of it.
   */
  step(wanted: Step): StateEvent | undefined {
    const { from, to, cause, elapsedMs } = wanted
    const state = this.#state
    const follows = this.#follows
    if (to === state && (follows || from === undefined)) return undefined
    const isBeginning = from === 'idle'
    const left = isBeginning && (follows || !hasConnection(state)) ? state : (from ?? state)
    const arrow = from === undefined ? 'a' : isBeginning ? 'b' : 'c'
    if (arrowOf(left, to) !== arrow || (follows && left !== state)) {
      const { logger } = this.#context
      logger?.[arrow === 'a' ? 'debug' : 'warn']('a session has no such arrow', { state, from: left, to, cause })
      return undefined
    }
    const nowMs = this.#context.clock.now()
    // The core does not know how long the session was without a connection.
    const spentMs = (isBeginning ? undefined : elapsedMs) ?? nowMs - this.#sinceMs
    this.#state = to
    this.#sinceMs = nowMs
    this.#follows = hasConnection(to)
    return { ...wanted, from: left, elapsedMs: spentMs }
  }
}
