import { missingPackage } from '../harness/contenders.mjs'
import { contest, median, ratio } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

const CONCURRENCY = [1, 10, 100]

export const requests = {
  name: 'requests',
  title: 'Requests and responses of 100 bytes, each on a bidirectional stream of its own',
  defaults: { rounds: 1, requests: 100_000 },
  run,
}

async function run({ settings, irohPeer, ...how }) {
  const all = {}
  const texts = []
  for (const concurrency of CONCURRENCY) {
    const options = { ...how.options, requests: settings.requests, concurrency, irohPeer: irohPeer.path }
    const rows = await contest('requests', contenders(irohPeer, how.variants).map(patient), {
      ...how,
      rounds: settings.rounds,
      options,
    })
    all[concurrency] = rows
    texts.push(`${settings.requests} requests, ${concurrency} at a time\n\n${render(rows)}`)
  }
  return { rows: all, text: texts.join('\n\n') }
}

/** 100,000 requests, one at a time, take minutes on a busy machine. */
function patient(contender) {
  return { timeoutMs: 900_000, ...contender }
}

function contenders(irohPeer, variants) {
  const datachannel = {
    server: 'node-datachannel',
    client: 'node-datachannel',
    missing: missingPackage('node-datachannel'),
  }
  return [
    { name: 'anypath', server: 'anypath', client: 'anypath' },
    ...variants.map(({ name, options }) => ({ name, options, server: 'anypath', client: 'anypath' })),
    { name: 'node-datachannel, messages on one channel', ...datachannel },
    { name: 'HTTP/2 with TLS (node:http2)', server: 'http2', client: 'http2' },
    { name: 'anypath dials stock iroh', server: 'iroh', client: 'anypath', missing: irohPeer.missing },
  ]
}

function render(rows) {
  const rate = ({ client }) => client.perSecond
  const cells = rows.map((row) => {
    if (row.error !== undefined) return row
    const of = (side, field) => median(row.runs.map((run) => run[side][field]))
    const against = row === rows[0] ? '1' : ratio(rows[0], row, rate)
    return [
      row.name,
      of('client', 'perSecond'),
      against,
      of('client', 'p50Ms'),
      of('client', 'p99Ms'),
      of('client', 'cores'),
      of('server', 'cores'),
    ]
  })
  return table(['', 'a second', 'anypath / this', 'median ms', '99th ms', 'cores, dialler', 'cores, listener'], cells)
}
