// time limit: 300 s
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { skipStock } from '../interop/stock-peers.js'
import type { Measure } from './cells.js'
import { Grid } from './grid.js'
import { laboratoryMissing } from './hosts.js'
import { type Combination, runAlone } from './iroh.js'
import type { SiteKind } from './nat-rules.js'

type Pair = readonly [dialler: SiteKind, listener: SiteKind]

const skip = laboratoryMissing() || skipStock

/** Each kind dials and is dialled, in cells that are direct between two stock peers. */
const ANYPATH_DIALS: readonly Pair[] = [
  ['none', 'symmetric'],
  ['symadm', 'fullcone'],
  ['portrestricted', 'linux'],
  ['adf', 'symseq'],
  ['linux/symmetric', 'none'],
  ['linux', 'linuxopen'],
  ['fullcone', 'symadm'],
  ['symmetric', 'adf'],
  ['linuxopen', 'portrestricted'],
  ['symseq', 'fullcone'],
  ['portrestricted/fullcone', 'portrestricted'],
  ['none', 'linux/symmetric'],
  ['linux', 'portrestricted/fullcone'],
]
/** The same sites, and no two of them that have met before. */
const IROH_DIALS: readonly Pair[] = [
  ['none', 'symmetric'],
  ['symadm', 'adf'],
  ['portrestricted', 'linux'],
  ['adf', 'symseq'],
  ['linux/symmetric', 'fullcone'],
  ['linux', 'linuxopen'],
  ['none', 'symadm'],
  ['symmetric', 'fullcone'],
  ['linuxopen', 'portrestricted'],
  ['symseq', 'none'],
  ['portrestricted/fullcone', 'adf'],
  ['fullcone', 'linux/symmetric'],
  ['linux', 'portrestricted/fullcone'],
]
const MEETINGS = 3
const HOW = { expected: 'D', transferBytes: 1_000_000, patience: 2 } as const satisfies Measure

describe('anypath and stock iroh across NATs', { skip, concurrency: MEETINGS }, () => {
  let grid: Grid
  before(async () => {
    const rowKinds = [...new Set(ANYPATH_DIALS.map(([dialler]) => dialler))]
    const columnKinds = [...new Set(ANYPATH_DIALS.map(([, listener]) => listener))]
    grid = await Grid.start({ rowKinds, columnKinds, rows: 'anypath', columns: 'iroh', bothWays: true })
  })
  after(() => grid?.end())

  async function assertDirect(combination: Combination, [dialler, listener]: Pair): Promise<void> {
    const back = combination[0] === 'iroh'
    let result = await (back ? grid.runBack(dialler, listener, HOW) : grid.run(dialler, listener, HOW))
    if (result.fault !== undefined) {
      console.log(`again: ${result.fault}\n${result.story}`)
      result = await runAlone(combination, dialler, listener, HOW)
    }
    assert.equal(result.fault, undefined, `${result.fault}\n${result.story}`)
    assert.ok(result.directMs !== undefined)
  }

  for (const [combination, pairs] of [
    [['anypath', 'iroh'], ANYPATH_DIALS],
    [['iroh', 'anypath'], IROH_DIALS],
  ] as const) {
    for (const pair of pairs) {
      const [from, to] = combination.map((who, i) => `${who} behind ${pair[i]}`)
      const name = `${from} dials ${to}: both are direct, and nothing goes over the relay`
      test(name, { timeout: 120_000 }, () => assertDirect(combination, pair))
    }
  }
})
