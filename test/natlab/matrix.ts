/** Runs cells in parallel laboratories and writes what became of them. */
import { CELL_KINDS, type CellResult, cellClass, type Measure, runCell } from './cells.js'
import type { SiteKind } from './nat-rules.js'

/** How often each cell may be run until it is as its class promises. */
export const triesOf = (dialler: SiteKind, listener: SiteKind): number => (cellClass(dialler, listener) === 'B' ? 3 : 2)

/** All runs of a cell, the last one at the end. */
export interface Cell {
  readonly dialler: SiteKind
  readonly listener: SiteKind
  readonly runs: readonly CellResult[]
}

/** Both orders of all pairs of these kinds. */
export const ordered = (kinds: readonly SiteKind[]): readonly (readonly [SiteKind, SiteKind])[] =>
  kinds.flatMap((a) => kinds.map((b) => [a, b] as const))

/** By how much the last try of a cell may miss the deadlines: a busy machine is slow, and not wrong. */
const PATIENCE = 4

/**
 * Runs a cell until it is as promised, or its tries are used up; each further try is told, and has a laboratory of its own.
 *
 * @param first the first run
 */
export async function runTried(
  dialler: SiteKind,
  listener: SiteKind,
  first: typeof runCell = runCell,
  measure: Measure = {},
): Promise<Cell> {
  const tries = triesOf(dialler, listener)
  const runs: CellResult[] = []
  do {
    const last = runs.at(-1)
    if (last !== undefined) console.log(`again: ${dialler} dials ${listener}: ${last.fault}\n${last.story}`)
    const how = { ...measure, patience: runs.length + 1 < tries ? 1 : PATIENCE }
    runs.push(await (runs.length === 0 ? first : runCell)(dialler, listener, how))
  } while (runs.length < tries && runs.at(-1)?.fault !== undefined)
  return { dialler, listener, runs }
}

/**
 * Runs each pair so often.
 *
 * @param runsOf how many runs a pair gets, whatever becomes of them
 */
export async function runMatrix(
  pairs: readonly (readonly [SiteKind, SiteKind])[],
  laboratories: number,
  runsOf: (dialler: SiteKind, listener: SiteKind) => number,
): Promise<readonly Cell[]> {
  const queue = [...pairs]
  const cells: Cell[] = []
  const worker = async () => {
    for (let pair = queue.shift(); pair !== undefined; pair = queue.shift()) {
      const [dialler, listener] = pair
      const runs: CellResult[] = []
      for (let left = runsOf(dialler, listener); left > 0; left--) runs.push(await runCell(dialler, listener))
      const cell = { dialler, listener, runs }
      cells.push(cell)
      console.log(line(cell))
      for (const { fault, story } of runs)
        if (fault !== undefined) console.log(`  ${fault}\n${story.replace(/^/gm, '    ')}`)
    }
  }
  await Promise.all(Array.from({ length: laboratories }, worker))
  return cells
}

const line = (cell: Cell): string =>
  `${cell.dialler} dials ${cell.listener} (${cellClass(cell.dialler, cell.listener)}): ${entry(cell)}, first byte after ${median(cell.runs.map(({ firstByteMs }) => firstByteMs)).toFixed(0)} ms`

/** The table of the cells: rows dial. */
export function matrixTable(cells: readonly Cell[]): string {
  const kinds = CELL_KINDS.filter((kind) => cells.some(({ dialler, listener }) => [dialler, listener].includes(kind)))
  const rows = kinds.map((dialler) => {
    const entries = kinds.map((listener) => {
      const cell = cells.find((one) => one.dialler === dialler && one.listener === listener)
      return cell === undefined ? '' : `${cellClass(dialler, listener)} ${entry(cell)}`
    })
    return `| ${dialler} | ${entries.join(' | ')} |`
  })
  return [`| | ${kinds.join(' | ')} |`, `|${'---|'.repeat(kinds.length + 1)}`, ...rows].join('\n')
}

/** How a cell did: seconds to direct, or `relay`; with several runs, how many were as promised. A fault is marked. */
function entry({ runs }: Cell): string {
  const good = runs.filter(({ fault }) => fault === undefined).length
  const times = runs.flatMap(({ directMs }) => (directMs === undefined ? [] : [directMs]))
  const time = times.length === 0 ? 'relay' : `${(median(times) / 1000).toFixed(1)} s`
  const count = runs.length > 1 ? ` ${good}/${runs.length}` : ''
  return `${time}${count}${good < runs.length * 0.9 ? ' **!**' : ''}`
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
