import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { SessionMachine, type Step } from '../../../src/api/session-machine.js'
import { systemClock } from '../../../src/driver/clock.js'
import type { SessionState, TransitionCause } from '../../../src/driver/engine.js'
import { STATES } from '../../../src/driver/names.js'
import type { StateEvent } from '../../../src/entry/node.js'
import { legalArrows, statesOf } from './rust-session.js'
import { ARROWS, drawn } from './session-arrows.js'

const RUST = 'wasm/peer/src/session.rs'
const CAUSES: readonly TransitionCause[] = ['dial', 'accepted', 'handshake', 'silence', 'path-change', 'error', 'close']
const SEEDS = 200
const STEPS = 400

/** Where the core goes, said a second time. */
const CORE: Partial<Record<SessionState, readonly SessionState[]>> = {
  connecting: ['relayed', 'direct', 'failed', 'closed'],
  relayed: ['traversing', 'direct', 'recovering', 'failed', 'closed'],
  traversing: ['relayed', 'direct', 'recovering', 'failed', 'closed'],
  direct: ['relayed', 'recovering', 'failed', 'closed'],
  recovering: ['relayed', 'direct', 'failed', 'closed'],
}
/** Where the API goes. */
const API: Partial<Record<SessionState, readonly SessionState[]>> = {
  idle: ['discovering', 'reconnecting'],
  discovering: ['failed'],
  reconnecting: ['discovering', 'closed'],
  failed: ['discovering', 'reconnecting'],
  closed: ['discovering', 'reconnecting'],
}
const withConnection = (state: SessionState): boolean => state in CORE

/** What a machine is to do, said in other words: by whole states, and without its clock. */
class Model {
  state: SessionState
  /** What the core's session was last told to be; `undefined` while that has to be taken from its next word. */
  core: SessionState | undefined

  constructor(state: SessionState) {
    this.state = state
  }

  /** The state that is left, or nothing where the step is refused. */
  step({ from, to }: Step): SessionState | undefined {
    const left = from === undefined ? this.#leftByApi(to) : this.#leftByCore(from, to)
    if (left === undefined) return undefined
    this.state = to
    this.core = withConnection(to) ? to : undefined
    return left
  }

  #leftByApi(to: SessionState): SessionState | undefined {
    return API[this.state]?.includes(to) ? this.state : undefined
  }

  #leftByCore(from: SessionState, to: SessionState): SessionState | undefined {
    if (from === 'idle') {
      if (to !== 'connecting' || this.core !== undefined) return undefined
      return withConnection(this.state) ? 'idle' : this.state
    }
    return (this.core ?? from) === from && CORE[from]?.includes(to) ? from : undefined
  }
}

/** Numbers that look random and are the same in every run (xorshift). */
function sequence(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** A machine that stands somewhere, its time, and the levels of what it logs. */
function machineAt(state: SessionState) {
  const time = { nowMs: 0 }
  const clock = { ...systemClock(), now: () => time.nowMs }
  const logged: string[] = []
  const log = (level: string) => (): void => void logged.push(level)
  const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  return { time, logged, machine: new SessionMachine({ clock, logger }, state) }
}

describe('the session’s machine', () => {
  test('has the arrows of the model and no others', () => {
    const expected = STATES.flatMap((from) => [
      ...(CORE[from] ?? []).map((to) => ({ from, to, by: 'c' })),
      ...(API[from] ?? []).map((to) => ({ from, to, by: 'a' })),
      ...(withConnection(from) ? [] : [{ from, to: 'connecting' as const, by: 'b' }]),
    ])
    const sorted = (arrows: readonly { from: string; to: string; by: string }[]) =>
      arrows.map((arrow) => `${drawn(arrow)} (${arrow.by})`).sort()
    assert.deepEqual(sorted(ARROWS), sorted(expected))
  })

  test('is closed: every state is one of those known, can be reached, and can be left', () => {
    const reached = new Set<string>(['idle'])
    for (let before = 0; before < reached.size; ) {
      before = reached.size
      for (const { from, to } of ARROWS) if (reached.has(from)) reached.add(to)
    }
    assert.deepEqual([...reached].sort(), [...STATES].sort())
    assert.deepEqual(new Set(ARROWS.map(({ from }) => from)), reached)
    for (const { from, to, by } of ARROWS) {
      assert.notEqual(from, to)
      assert.ok('abc'.includes(by), by)
    }
  })

  test('does whatever is asked of it as the model does, and takes every arrow', () => {
    const taken = new Set<string>()
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = sequence(seed)
      const state = (): SessionState => STATES[random(STATES.length)] ?? 'idle'
      const first = state()
      const { machine, time, logged } = machineAt(first)
      const model = new Model(first)
      let sinceMs = 0
      for (let made = 0; made < STEPS; made++) {
        time.nowMs += random(1000)
        const from = [undefined, 'idle' as const, model.state, state()][random(4)]
        const told = from !== undefined && { from, elapsedMs: random(1000) }
        const step: Step = { to: state(), cause: CAUSES[random(CAUSES.length)] ?? 'dial', ...told }
        const was = { state: model.state, isThere: model.state === step.to && (!told || model.core !== undefined) }
        const left = model.step(step)
        const event = machine.step(step)
        const how = `seed ${seed}, step ${made}: ${JSON.stringify(step)} in ${was.state}`
        assert.equal(machine.state, model.state, how)
        if (left === undefined) {
          assert.equal(event, undefined, how)
          assert.deepEqual(logged.splice(0), was.isThere ? [] : [told ? 'warn' : 'debug'], how)
          continue
        }
        const elapsedMs = told && from !== 'idle' ? told.elapsedMs : time.nowMs - sinceMs
        assert.deepEqual(event, { from: left, to: step.to, cause: step.cause, elapsedMs }, how)
        assert.deepEqual(logged, [], how)
        sinceMs = time.nowMs
        taken.add(drawn({ from: left, to: step.to }))
      }
    }
    assert.deepEqual([...taken].sort(), ARROWS.map(drawn).sort())
  })

  test('takes all that a lawful core tells of a session, from whenever it hears of it', () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = sequence(seed)
      const pick = (states: readonly SessionState[]): SessionState => states[random(states.length)] ?? 'idle'
      const { machine, logged } = machineAt('idle')
      let core: SessionState = 'idle'
      for (let made = 0; made < STEPS; made++) {
        if (core === 'idle' && random(2) === 0) {
          machine.step({ to: pick(API[machine.state] ?? []), cause: 'dial' })
          continue
        }
        const to: SessionState = core === 'idle' ? 'connecting' : pick(CORE[core] ?? [])
        const told: StateEvent = { from: core, to, cause: 'handshake', elapsedMs: 1 }
        core = withConnection(to) ? to : 'idle'
        // What happens to connections that are none of the application's it does not hear.
        if (made < 20 && random(3) === 0 && !withConnection(machine.state)) continue
        machine.step(told)
        // Each connection is told.
        if (withConnection(to)) assert.equal(machine.step(told), undefined)
        assert.equal(machine.state, to, `seed ${seed}, step ${made}`)
      }
      assert.deepEqual(logged, [], `seed ${seed}`)
    }
  })
})

describe('the core’s own machine', { skip: !existsSync(RUST) && `${RUST} is not there` }, () => {
  const rust = existsSync(RUST) ? readFileSync(RUST, 'utf8') : ''

  test('has the same arrows while there is a connection, and begins where this one lets it', () => {
    const here = ARROWS.filter(({ from, by }) => by === 'c' || (by === 'b' && from === 'idle'))
    assert.deepEqual(legalArrows(rust).map(drawn).sort(), here.map(drawn).sort())
  })

  test('has the numbers of its states, and leaves two to the API', () => {
    const states = statesOf(rust)
    for (const [name, number] of states) assert.equal(STATES[number], name)
    const own = STATES.filter((name) => !states.has(name))
    assert.deepEqual(own, ['discovering', 'reconnecting'])
    for (const { from, to, by } of ARROWS)
      if (own.includes(to) || (own.includes(from) && by !== 'b')) assert.equal(by, 'a')
  })
})

test('of the source of a machine every arm is read, or none', () => {
  const source = (arms: string): string => `
    pub enum State { Idle = 0, Up = 1, Down = 2, }
    pub fn legal(from: State, to: State) -> bool {
      use State::*;
      match (from, to) { ${arms} }
    }`
  const read = (arms: string): string[] => legalArrows(source(arms)).map(drawn)
  assert.deepEqual(read('(from, to) if from == to => false, (Idle | Down, Up) => true, _ => false,'), [
    'idle > up',
    'down > up',
  ])
  assert.deepEqual(read('(_, Idle) => false, // never\n (Up, _) => true, _ => false'), ['up > up', 'up > down'])
  assert.throws(() => read('(from, to) if from < to => true, _ => false,'), /unread/)
  assert.throws(() => read('(Sideways, Up) => true, _ => false,'), /Sideways/)
  assert.throws(() => read('(Idle, Up) => true,'), /no arm/)
})
