import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AttemptPace } from '../../../src/api/web-rtc/attempt-pace.js'
import { systemClock } from '../../../src/driver/clock.js'

/** A pace on a clock that only the test moves. */
function paceAt(now: number): { pace: AttemptPace; at: { now: number } } {
  const at = { now }
  return { pace: new AttemptPace({ ...systemClock(), now: () => at.now }), at }
}

test('pauses double with each attempt that fails, and a lasting one ends that', () => {
  const { pace, at } = paceAt(5000)
  assert.ok(pace.waitMs <= 0)
  const waits = Array.from({ length: 8 }, () => {
    pace.failed()
    const { waitMs } = pace
    at.now += waitMs
    return waitMs
  })
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  pace.lasted()
  pace.failed()
  assert.equal(pace.waitMs, 1000)
})

test('a refusal is remembered for ten minutes, unless the network is another one', () => {
  const { pace } = paceAt(0)
  pace.refused()
  pace.failed()
  assert.equal(pace.waitMs, 600_000)
  pace.reset()
  assert.ok(pace.waitMs <= 0)
})

test('a remote can be the cause of six attempts in ten seconds', () => {
  const { pace, at } = paceAt(100_000)
  const taken = () => Array.from({ length: 20 }, () => pace.take()).filter(Boolean).length
  assert.equal(taken(), 6)
  at.now += 9999
  assert.equal(taken(), 0)
  at.now += 1
  assert.equal(taken(), 6)
})
