// time limit: 900 s
// alone: how soon paths are found is what it is about
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CELL_KINDS, cellClass } from './cells.js'
import { Grid, scheduled } from './grid.js'
import { laboratoryMissing } from './hosts.js'
import { type Cell, matrixTable, runTried } from './matrix.js'

const skip = laboratoryMissing()

/** How many pairs meet at a time: with more, two cores make peers wait for their turn longer than for the network. */
const MEETINGS = 3
const TRANSFER_BYTES = 1_000_000

describe('every pair of kinds of NAT, in both orders', { skip, concurrency: MEETINGS }, () => {
  const cells: Cell[] = []
  const begin = performance.now()
  let grid: Grid
  before(async () => {
    grid = await Grid.start()
  })
  after(async () => {
    await grid?.end()
    const minutes = (performance.now() - begin) / 60_000
    const again = cells.filter(({ runs }) => runs.length > 1).length
    console.log(
      `${matrixTable(cells)}\n${cells.length} cells in ${minutes.toFixed(1)} min, ${again} of them with another try`,
    )
  })
  for (const [dialler, listener] of scheduled(CELL_KINDS)) {
    test(`${dialler} dials ${listener} (${cellClass(dialler, listener)})`, { timeout: 240_000 }, async () => {
      const cell = await runTried(dialler, listener, (...run) => grid.run(...run), { transferBytes: TRANSFER_BYTES })
      cells.push(cell)
      const last = cell.runs.at(-1)
      assert.equal(last?.fault, undefined, `${last?.fault}\n${last?.story}`)
    })
  }
})
