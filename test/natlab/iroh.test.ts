// time limit: 300 s
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { skipStock } from '../interop/stock-peers.js'
import type { Measure } from './cells.js'
import { Grid } from './grid.js'
import { laboratoryMissing } from './hosts.js'
import { COMBINATIONS, runAlone } from './iroh.js'
import type { SiteKind } from './nat-rules.js'

const skip = laboratoryMissing() || skipStock

/** Each kind dials and is dialled, in cells that are direct between two stock peers. */
const PAIRS: readonly (readonly [SiteKind, SiteKind])[] = [
  ['none', 'symmetric'],
  ['symadm', 'fullcone'],
  ['portrestricted', 'linux'],
  ['adf', 'symseq'],
  ['linux/symmetric', 'none'],
  ['linux', 'linuxopen'],
  ['fullcone', 'symadm'],
  ['symmetric', 'adf'],
  ['linuxopen', 'none'],
  ['symseq', 'fullcone'],
  ['portrestricted/fullcone', 'portrestricted'],
  ['none', 'linux/symmetric'],
  ['linux', 'portrestricted/fullcone'],
]
const MEETINGS = 3
const HOW = { expected: 'D', transferBytes: 1_000_000, patience: 2 } as const satisfies Measure

for (const combination of COMBINATIONS.filter((names) => names.includes('anypath'))) {
  const [rows, columns] = combination
  describe(`${rows} dials ${columns} across NATs`, { skip, concurrency: MEETINGS }, () => {
    let grid: Grid
    before(async () => {
      const rowKinds = [...new Set(PAIRS.map(([dialler]) => dialler))]
      const columnKinds = [...new Set(PAIRS.map(([, listener]) => listener))]
      grid = await Grid.start({ rowKinds, columnKinds, rows, columns })
    })
    after(() => grid?.end())
    for (const [dialler, listener] of PAIRS) {
      test(`${dialler} dials ${listener}: both are direct, and nothing goes over the relay`, {
        timeout: 120_000,
      }, async () => {
        let result = await grid.run(dialler, listener, HOW)
        if (result.fault !== undefined) {
          console.log(`again: ${result.fault}\n${result.story}`)
          result = await runAlone(combination, dialler, listener, HOW)
        }
        assert.equal(result.fault, undefined, `${result.fault}\n${result.story}`)
        assert.ok(result.directMs !== undefined)
      })
    }
  })
}
