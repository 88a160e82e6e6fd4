import { missingHttp3, missingPackage } from '../harness/contenders.mjs'
import { contest, median, ratio } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

const LARGE_PACKET = 8952
const NATIVE_BYTES_PER_SECOND = 300e6
const SEND_TO_NATIVE = 100e6

export const throughput = {
  name: 'throughput',
  title: 'One stream, one direction, two processes on loopback, packets of at most 1,452 bytes',
  defaults: { rounds: 5, seconds: 3, warmUp: 1.5 },
  run,
}

async function run({ settings, irohPeer, ...how }) {
  const { seconds, warmUp, rounds } = settings
  const options = { ...how.options, seconds, warmUp, packetBytes: 1452, irohPeer: irohPeer.path }
  const contenders = [
    both('anypath', 'anypath'),
    ...how.variants.map(({ name, options: variant }) => ({ ...both(name, 'anypath'), options: variant })),
    {
      ...both('node-datachannel, ordered, 64 KiB messages', 'node-datachannel'),
      missing: missingPackage('node-datachannel'),
    },
    both('raw dgram, 1,452 bytes (delivered)', 'dgram'),
    both('TCP (node:net)', 'tcp'),
    { ...both('@matrixai/quic', 'matrixai-quic'), missing: missingPackage('@matrixai/quic') },
    { ...both('@fails-components/webtransport, HTTP/3', 'fails-webtransport'), missing: missingHttp3() },
    ...native(irohPeer, seconds),
    { ...both(`anypath, packets of ${LARGE_PACKET}`, 'anypath'), options: { packetBytes: LARGE_PACKET }, apart: true },
    { ...both('anypath, both sides on one thread, no socket', 'in-process'), suite: 'memory', apart: true },
    { ...both(`raw dgram, ${LARGE_PACKET} bytes`, 'dgram'), options: { packetBytes: LARGE_PACKET }, apart: true },
  ]
  const rows = await contest('throughput', contenders, { ...how, rounds, options })
  return { rows, text: render(rows) }
}

function both(name, module) {
  return { name, server: module, client: module }
}

/** Stock iroh with stock iroh, and with us in each direction and each role. */
function native({ missing }, seconds) {
  const bulk = { bytes: Math.round(seconds * NATIVE_BYTES_PER_SECOND) }
  const slower = { bytes: Math.round(seconds * SEND_TO_NATIVE) }
  return [
    { name: 'stock iroh, native, to itself', server: 'iroh', client: 'iroh', options: bulk },
    { name: 'anypath to stock iroh', server: 'iroh', client: 'anypath', suite: 'throughput-iroh' },
    {
      name: 'stock iroh to anypath (anypath dials)',
      server: 'iroh',
      client: 'anypath',
      suite: 'throughput-from-iroh',
      options: slower,
    },
    {
      name: 'stock iroh to anypath (iroh dials)',
      server: 'anypath',
      client: 'iroh',
      suite: 'throughput-serve-iroh',
      options: slower,
    },
  ].map((contender) => ({ missing, ...contender }))
}

function speed({ server, client }) {
  return server.mbPerSecond ?? client.mbPerSecond
}

/** On a busy machine this says more than the clock does. Stock iroh works in a process of its own, which is not counted. */
function perProcessorSecond({ name }, run) {
  return name.includes('iroh') ? undefined : speed(run) / (run.client.cores + run.server.cores)
}

/** The kernel's share of the processor time of both sides: system calls, and the packets' way through loopback. */
function kernelPercent({ name }, { client, server }) {
  const all = client.cpuSeconds + server.cpuSeconds
  return name.includes('iroh') ? undefined : (100 * (client.kernelSeconds + server.kernelSeconds)) / all
}

function render(rows) {
  const [main] = rows
  const cells = rows.map((row) => {
    if (row.error !== undefined) return row
    const speeds = row.runs.map(speed)
    const of = (side, field) => median(row.runs.map((run) => run[side][field]))
    return [
      row.name,
      median(speeds),
      Math.min(...speeds),
      Math.max(...speeds),
      row === main ? '1' : row.apart ? 'apart' : ratio(main, row, speed),
      of('client', 'mtuBytes'),
      median(row.runs.map((run) => perProcessorSecond(row, run))),
      row === main || row.apart ? undefined : ratio(main, row, (run) => perProcessorSecond(row, run)),
      median(row.runs.map((run) => kernelPercent(row, run))),
    ]
  })
  const head = [
    '',
    'MB/s',
    'least',
    'most',
    'anypath / this',
    'packet bytes',
    'MB per CPU second',
    'anypath / this',
    'kernel %',
  ]
  return [table(head, cells), ...targets(rows)].join('\n')
}

function targets(rows) {
  const [main] = rows
  return [
    ['node-datachannel', 1.5],
    ['raw dgram, 1,452', 0.5],
  ].flatMap(([name, wanted]) => {
    const row = rows.find((candidate) => candidate.name.startsWith(name))
    const is = row && ratio(main, row, speed)
    if (is === undefined) return []
    const verdict = is >= wanted ? 'reached' : 'missed'
    return [`target: ${wanted} x ${name.split(',')[0]}: ${is.toFixed(2)}, ${verdict}`]
  })
}
