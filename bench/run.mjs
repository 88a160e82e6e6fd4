// Measures anypath beside named peers and prints one table for each suite.
//
//   npm run bench -- [--only throughput,requests] [--rounds N] [--seconds S] [--json] [--tiny]
//
//   --only NAMES      suites to run: throughput, requests, datagrams, handshakes, memory, relay, natlab, pageload, pagethroughput, size (only
//                     when it is named)
//   --rounds N        how often each contender runs; they take turns
//   --seconds S       how long bulk and datagrams flow in each run
//   --requests N  --count N  --connections N  --clients N  --pairs N  --rate N
//   --peers A,B       only contenders whose names contain one of these; the first one always runs
//   --package FILE    the built package to measure (default dist/node.mjs)
//   --compare FILE    another build of the package as one more contender; may be repeated
//   --profile DIR     writes V8 CPU profiles of both sides, by contender
//   --json            one JSON object for each suite instead of tables
//   --tiny            sizes that only show that everything works

import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findIrohPeer } from './harness/iroh-peer.mjs'
import { SUITES } from './suites/index.mjs'

const TINY = {
  rounds: 1,
  seconds: 0.3,
  warmUp: 0,
  requests: 200,
  count: 8,
  connections: 20,
  settleSeconds: 0.2,
  idleSeconds: 0.5,
}
const NUMBERS = ['rounds', 'seconds', 'requests', 'count', 'connections', 'clients', 'pairs', 'rate']

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    package: { type: 'string', default: fileURLToPath(new URL('../dist/node.mjs', import.meta.url)) },
    compare: { type: 'string', multiple: true, default: [] },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
    tiny: { type: 'boolean', default: false },
    ...Object.fromEntries(NUMBERS.map((name) => [name, { type: 'string' }])),
  },
})

const names = values.only?.split(',') ?? Object.keys(SUITES).filter((name) => !SUITES[name].onlyByName)
for (const name of names)
  if (!Object.hasOwn(SUITES, name)) refuse(`there is no suite '${name}': ${Object.keys(SUITES).join(', ')}`)
if (!existsSync(values.package)) refuse(`${values.package} does not exist: npm run build makes it`)
const given = NUMBERS.filter((name) => values[name] !== undefined).map((name) => [name, Number(values[name])])
for (const [name, value] of given) if (!(value > 0)) refuse(`--${name} must be a number above zero`)

const withIroh = values.peers?.includes('iroh') ?? true
const irohPeer = await findIrohPeer(names, { build: !values.tiny && withIroh })
if (!values.json)
  console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}\n`)
let failed = false
for (const name of names) await runSuite(SUITES[name])
process.exitCode = failed ? 1 : 0

async function runSuite(suite) {
  const settings = { ...suite.defaults, ...(values.tiny && TINY), ...Object.fromEntries(given) }
  const result = await suite.run({
    settings,
    irohPeer,
    options: { package: resolve(values.package) },
    variants: values.compare.map((file) => ({ name: `anypath of ${file}`, options: { package: resolve(file) } })),
    only: values.peers?.split(','),
    profile: values.profile && resolve(values.profile),
    progress: (text) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`),
  })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  // A peer that can't run says why in its row; that anypath itself can't is a failure.
  const main = Array.isArray(result.rows) ? [result.rows[0]] : Object.values(result.rows).map(([first]) => first)
  if (main.some((row) => row?.error !== undefined)) failed = true
  if (values.json) console.log(JSON.stringify({ suite: suite.name, settings, rows: result.rows }))
  else console.log(`## ${suite.name}\n\n${suite.title}\n\n${result.text}\n`)
}

function refuse(message) {
  console.error(message)
  process.exit(2)
}
