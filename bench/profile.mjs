// Sums V8 CPU profiles: `node bench/profile.mjs FILE.cpuprofile…` prints where the time of each went, by function itself.
//
// `npm run bench -- --only throughput --peers none --profile DIR` writes them. A core with names is worth having:
// wasm-opt strips them from the one that ships.

import { readFileSync } from 'node:fs'
import { table } from './harness/table.mjs'

const ROWS = 20
const IDLE = new Set(['(idle)', '(program)'])

for (const file of process.argv.slice(2)) console.log(`${file}\n\n${render(JSON.parse(readFileSync(file, 'utf8')))}\n`)

function render({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]))
  const times = new Map()
  let busy = 0
  for (const [at, id] of samples.entries()) {
    const frame = byId.get(id)
    const name = label(frame)
    times.set(name, (times.get(name) ?? 0) + timeDeltas[at])
    if (!IDLE.has(name)) busy += timeDeltas[at]
  }
  const sorted = [...times].sort(([, a], [, b]) => b - a).slice(0, ROWS)
  const cells = sorted.map(([name, time]) => [name, time / 1000, IDLE.has(name) ? undefined : (100 * time) / busy])
  return table(['function', 'ms', '% of busy'], cells)
}

function label({ functionName, url, lineNumber }) {
  const file = url.split('/').at(-1)
  const name = (functionName || '(anonymous)').replace(/::h[0-9a-f]{16}$/, '')
  return file === '' || url.startsWith('wasm:') ? name : `${name} (${file}:${lineNumber + 1})`
}
