/**
 * `npm run natlab`: every cell of the matrix, those of class B ten times, and a table of them in docs/natlab.md.
 *
 * `npm run natlab -- changes [PART OF A NAME]…`: what the network's changes do to a connection, and their table.
 *
 * `npm run natlab -- iroh`: the matrix between stock iroh and stock iroh, and with anypath in either role, and their table.
 *
 *   --kinds none,linux     only pairs of these, and no table is written
 *   --pair linux,symseq    only this one, in this order
 *   --laboratories 3       how many at a time
 *   --runs 10              runs of a cell of class B
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { skipStock } from '../interop/stock-peers.js'
import { CELL_KINDS, cellClass } from './cells.js'
import { CHANGES, changesTable, runChange } from './changes.js'
import { laboratoryMissing } from './hosts.js'
import { irohTable, missed, runCombinations } from './iroh.js'
import { root } from './laboratory.js'
import { matrixTable, ordered, runMatrix } from './matrix.js'
import type { SiteKind } from './nat-rules.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kinds: { type: 'string' },
    pair: { type: 'string', multiple: true },
    laboratories: { type: 'string', default: '3' },
    runs: { type: 'string', default: '10' },
  },
})

const missing = laboratoryMissing() || (positionals.includes('iroh') && skipStock)
if (missing !== false) {
  console.log(`skipped: ${missing}`)
  process.exit(1)
}

const work = positionals.includes('changes') ? changes : positionals.includes('iroh') ? iroh : matrix
process.exit((await work()) ? 0 : 1)

async function matrix(): Promise<boolean> {
  const kinds = values.kinds === undefined ? CELL_KINDS : (values.kinds.split(',') as SiteKind[])
  const given = values.pair?.map((pair) => pair.split(',') as [SiteKind, SiteKind])
  const begin = performance.now()
  const cells = await runMatrix(given ?? ordered(kinds), Number(values.laboratories), (a, b) =>
    cellClass(a, b) === 'B' ? Number(values.runs) : 1,
  )
  const minutes = (performance.now() - begin) / 60_000
  const bad = cells.filter(({ runs }) => runs.filter(({ fault }) => fault === undefined).length < runs.length * 0.9)
  const table = matrixTable(cells)
  console.log(`\n${table}\n\n${cells.length} cells in ${minutes.toFixed(1)} min, ${bad.length} not as promised`)
  if (given === undefined && values.kinds === undefined) writeTable('matrix', table)
  return bad.length === 0
}

async function iroh(): Promise<boolean> {
  const kinds = values.kinds?.split(',') as SiteKind[] | undefined
  const begin = performance.now()
  const cells = await runCombinations(kinds)
  const bad = missed(cells)
  const table = irohTable(cells)
  const minutes = (performance.now() - begin) / 60_000
  console.log(`\n${table}\n\n${cells.length} cells in ${minutes.toFixed(1)} min`)
  for (const { combination, result } of bad)
    console.log(`${combination[0]} ${result.dialler} does not reach ${combination[1]} ${result.listener}`)
  if (kinds === undefined) writeTable('iroh', table)
  return bad.length === 0
}

/** One at a time: a gap is to be the network's, not that of a busy machine. */
async function changes(): Promise<boolean> {
  const results = []
  const parts = positionals.slice(1)
  for (const change of CHANGES) {
    if (parts.length > 0 && !parts.some((part) => change.name.includes(part))) continue
    const result = await runChange(change)
    results.push(result)
    const { name, sites, gapMs, fault, story } = result
    console.log(
      `${name} (${sites.join(' dials ')}): a gap of ${gapMs.toFixed(0)} ms${fault === undefined ? '' : `, ${fault}`}`,
    )
    console.log(story.replace(/^/gm, '    '))
  }
  const table = changesTable(results)
  console.log(`\n${table}`)
  if (parts.length === 0) writeTable('changes', table)
  return results.every(({ fault }) => fault === undefined)
}

/** Puts a table between its two marks. */
function writeTable(name: string, text: string): void {
  const file = join(root, 'docs', 'natlab.md')
  const marks = new RegExp(`(<!-- ${name} -->\n).*(<!-- /${name} -->)`, 's')
  writeFileSync(file, readFileSync(file, 'utf8').replace(marks, `$1\n${text}\n\n$2`))
}
