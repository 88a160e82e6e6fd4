/** The matrix with stock iroh: what it does between two of its own, and whether the same pairs of NATs let it meet anypath. */
import { CELL_KINDS, type CellResult, cellClass, type Measure } from './cells.js'
import { Grid, type Implementation, scheduled } from './grid.js'
import { median } from './matrix.js'
import type { SiteKind } from './nat-rules.js'

/** Who dials and who is dialled. */
export type Combination = readonly [dialler: Implementation, listener: Implementation]

/** The first one is what the others are held to. */
export const COMBINATIONS: readonly Combination[] = [
  ['iroh', 'iroh'],
  ['anypath', 'iroh'],
  ['iroh', 'anypath'],
]

export interface IrohCell {
  readonly combination: Combination
  /** The last run. */
  readonly result: CellResult
  readonly runs: number
}

/** How many pairs meet at a time. */
const MEETINGS = 3
/** Stock iroh starts a round of NAT traversal when a connection begins, and another one 5 s later. */
const WATCH_MS = 8000
/** No class is expected of a pair: what becomes of it is what is asked. */
const WATCHED = { expected: 'x', watchMs: WATCH_MS, transferBytes: 1_000_000, patience: 2 } as const satisfies Measure

export const isDirect = ({ fault, directMs }: CellResult): boolean => fault === undefined && directMs !== undefined

/**
 * Has every pair of kinds meet, in both orders.
 *
 * @param wanted which pairs are run again, in a laboratory of their own, when they are not direct
 */
export async function runCombination(
  combination: Combination,
  kinds: readonly SiteKind[],
  wanted: (dialler: SiteKind, listener: SiteKind) => boolean,
): Promise<readonly IrohCell[]> {
  const [rows, columns] = combination
  const cells: IrohCell[] = []
  const queue = [...scheduled(kinds)]
  const grid = await Grid.start({ rowKinds: kinds, columnKinds: kinds, rows, columns })
  const worker = async () => {
    for (let pair = queue.shift(); pair !== undefined; pair = queue.shift()) {
      const cell = { combination, result: await grid.run(...pair, WATCHED), runs: 1 }
      cells.push(cell)
      console.log(line(cell))
    }
  }
  try {
    await Promise.all(Array.from({ length: MEETINGS }, worker))
  } finally {
    await grid.end()
  }
  for (const [at, { result }] of cells.entries()) {
    const { dialler, listener, fault, story } = result
    if (fault === undefined && (isDirect(result) || !wanted(dialler, listener))) continue
    console.log(`again: ${rows} ${dialler} dials ${columns} ${listener}: ${fault ?? 'not direct'}\n${story}`)
    const cell = { combination, result: await runAlone(combination, dialler, listener), runs: 2 }
    cells[at] = cell
    console.log(line(cell))
  }
  return cells
}

/** Runs a cell in a laboratory of its own. */
export async function runAlone(
  [rows, columns]: Combination,
  dialler: SiteKind,
  listener: SiteKind,
  how: Measure = WATCHED,
): Promise<CellResult> {
  const grid = await Grid.start({ rowKinds: [dialler], columnKinds: [listener], rows, columns })
  try {
    return await grid.run(dialler, listener, how)
  } finally {
    await grid.end()
  }
}

/** Runs all combinations; those with anypath are held to what iroh's own peers do. */
export async function runCombinations(kinds: readonly SiteKind[] = CELL_KINDS): Promise<readonly IrohCell[]> {
  const cells: IrohCell[] = []
  const passes = (dialler: SiteKind, listener: SiteKind) =>
    ['D', 'R'].includes(cellClass(dialler, listener)) || passed(cells, dialler, listener)
  for (const combination of COMBINATIONS) cells.push(...(await runCombination(combination, kinds, passes)))
  return cells
}

const cellOf = (cells: readonly IrohCell[], [rows, columns]: Combination, dialler: SiteKind, listener: SiteKind) =>
  cells.find(
    ({ combination, result }) =>
      combination[0] === rows &&
      combination[1] === columns &&
      result.dialler === dialler &&
      result.listener === listener,
  )

/** Whether two stock peers are direct in this cell. */
function passed(cells: readonly IrohCell[], dialler: SiteKind, listener: SiteKind): boolean {
  const cell = cellOf(cells, ['iroh', 'iroh'], dialler, listener)
  return cell !== undefined && isDirect(cell.result)
}

/** The cells that are direct between two stock peers, and are not with anypath. */
export const missed = (cells: readonly IrohCell[]): readonly IrohCell[] =>
  cells.filter(({ result }) => !isDirect(result) && passed(cells, result.dialler, result.listener))

const line = ({ combination: [rows, columns], result, runs }: IrohCell): string =>
  `${rows} ${result.dialler} dials ${columns} ${result.listener}: ${entry(result)}, first byte after ${result.firstByteMs.toFixed(0)} ms${runs > 1 ? `, run ${runs}` : ''}${result.fault === undefined ? '' : `\n  ${result.fault}\n${result.story.replace(/^/gm, '    ')}`}`

const entry = (result: CellResult): string =>
  result.fault !== undefined
    ? 'fault'
    : result.directMs === undefined
      ? 'relay'
      : `${(result.directMs / 1000).toFixed(1)} s`

/** A table of the cells, all combinations in each, and one of what they come to. */
export function irohTable(cells: readonly IrohCell[]): string {
  const kinds = CELL_KINDS.filter((kind) => cells.some(({ result }) => result.dialler === kind))
  const rows = kinds.map((dialler) => {
    const entries = kinds.map((listener) => {
      const inCell = COMBINATIONS.map((combination) => cellOf(cells, combination, dialler, listener))
      const texts = inCell.map((cell) => (cell === undefined ? '' : entry(cell.result)))
      const text = texts.every((one) => one === 'relay') ? 'relay' : texts.join(', ')
      const isMissed = missed(inCell.filter((cell) => cell !== undefined)).length > 0
      return `${text}${isMissed ? ' **!**' : ''}`
    })
    return `| ${dialler} | ${entries.join(' | ')} |`
  })
  const matrix = [`| | ${kinds.join(' | ')} |`, `|${'---|'.repeat(kinds.length + 1)}`, ...rows].join('\n')
  return `${summary(cells)}\n\n${matrix}`
}

function summary(cells: readonly IrohCell[]): string {
  const lines = COMBINATIONS.map(([rows, columns]) => {
    const own = cells.filter(({ combination }) => combination[0] === rows && combination[1] === columns)
    const direct = own.filter(({ result }) => isDirect(result))
    const held = direct.filter(({ result }) => passed(cells, result.dialler, result.listener))
    const middle = (times: readonly (number | undefined)[]) =>
      `${median(times.filter((time) => time !== undefined)).toFixed(0)} ms`
    return `| ${rows} dials ${columns} | ${direct.length} of ${own.length} | ${held.length} | ${middle(own.map(({ result }) => result.firstByteMs))} | ${middle(held.map(({ result }) => result.directMs))} |`
  })
  return [
    '| | direct | of those that iroh passes | first byte, median | direct, median of those |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n')
}
