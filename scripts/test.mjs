// Runs every test of the project: `npm test`.
//
//   npm test                                   everything
//   npm test -- --only typescript,check        some stages; `--list` names them
//   npm test -- --only typescript stream       test files whose path contains "stream"
//   --concurrency N      TypeScript test files at a time (default: the number of cores)

import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Report } from './report.mjs'
import { cargoStage, fuzzStage } from './stages/cargo.mjs'
import { checkStage } from './stages/check.mjs'
import { coreStage } from './stages/core.mjs'
import { systemStage } from './stages/system.mjs'
import {
  browserStage,
  interopStage,
  natlabStage,
  packagingStage,
  serialStage,
  typescriptStage,
} from './stages/typescript.mjs'

const STAGES = [
  systemStage,
  coreStage,
  checkStage,
  cargoStage,
  fuzzStage,
  typescriptStage,
  serialStage,
  natlabStage,
  interopStage,
  packagingStage,
  browserStage,
]

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    concurrency: { type: 'string', default: String(availableParallelism()) },
  },
})
const wanted = options.only?.split(',')
const unknown = wanted?.filter((name) => !STAGES.some((stage) => stage.name === name)) ?? []
if (unknown.length > 0) {
  console.error(`no such stage: ${unknown.join(', ')}; there are ${STAGES.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const stages = STAGES.filter(({ name }) => wanted?.includes(name) ?? true)

console.log('plan (minutes with a warm cache, and from nothing):')
for (const { name, title, minutes } of stages) {
  console.log(`  ${name.padEnd(11)} ${minutes.map((value) => String(value).padStart(4)).join(' ')}  ${title}`)
}
if (options.list) process.exit(0)

const report = new Report()
const context = {
  root: resolve(dirname(fileURLToPath(import.meta.url)), '..'),
  ci: Boolean(process.env.CI) && process.env.CI !== 'false',
  concurrency: Math.max(1, Number(options.concurrency) || 1),
  filter: positionals,
  report,
}
// No test speaks to the router or to others of the network that this machine happens to be in.
process.env.ANYPATH_LAN = 'off'
process.env.ANYPATH_PORT_MAPPING = 'off'
process.chdir(context.root)
for (const stage of stages) {
  console.log(`\n=== ${stage.name}: ${stage.title}`)
  const started = performance.now()
  try {
    await stage.run(context)
  } catch (error) {
    report.fail(stage.name, error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  console.log(`=== ${stage.name}: ${((performance.now() - started) / 1000).toFixed(0)} s`)
}
process.exit(report.finish(context.ci))
