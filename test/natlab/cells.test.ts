// time limit: 480 s
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CellResult, runCell } from './cells.js'
import { laboratoryMissing } from './hosts.js'
import type { SiteKind } from './nat-rules.js'

const skip = laboratoryMissing()

/** How many laboratories there are at a time. */
const CONCURRENCY = 3

/** UDP is blocked at one side or at both. */
const RELAYED: readonly (readonly [SiteKind, SiteKind])[] = [
  ['udpblock', 'udpblock'],
  ...(['none', 'linux', 'symmetric', 'portrestricted/fullcone'] as const).flatMap((kind) => [
    ['udpblock', kind] as const,
    [kind, 'udpblock'] as const,
  ]),
]

/** A busy machine gets another try, which is told. */
async function tried(dialler: SiteKind, listener: SiteKind, tries: number): Promise<CellResult> {
  for (let left = tries; ; left--) {
    const result = await runCell(dialler, listener)
    if (result.fault === undefined || left <= 1) return result
    console.log(`again: ${dialler} dials ${listener}: ${result.fault}\n${result.story}`)
  }
}

describe('pairs where UDP is blocked', { skip, concurrency: CONCURRENCY }, () => {
  for (const [a, b] of RELAYED) {
    test(`${a} dials ${b} over the relay`, { timeout: 180_000 }, async () => {
      const result = await tried(a, b, 2)
      assert.equal(result.fault, undefined, `${result.fault}\n${result.story}`)
    })
  }
})
