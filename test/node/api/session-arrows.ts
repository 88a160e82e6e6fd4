import { arrowOf } from '../../../src/api/session-machine.js'
import type { SessionState } from '../../../src/driver/engine.js'
import { STATES } from '../../../src/driver/names.js'

/** One arrow of the session's machine, and who takes it: `a` the API, `b` the core at its beginning, `c` the core. */
export interface Arrow {
  readonly from: SessionState
  readonly to: SessionState
  readonly by: string
}

/** Every arrow of the machine's table. */
export const ARROWS: readonly Arrow[] = STATES.flatMap((from) =>
  STATES.map((to) => ({ from, to, by: arrowOf(from, to) ?? 'nobody' })),
).filter(({ by }) => by !== '.')

/** An arrow as text. */
export const drawn = ({ from, to }: { readonly from: string; readonly to: string }): string => `${from} > ${to}`
