import { contest, median, ratio } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

export const handshakes = {
  name: 'handshakes',
  title: 'New connections, each with one byte to and fro on a stream, both sides authenticated',
  defaults: { rounds: 3, count: 300 },
  run,
}

const MODES = [
  { name: 'anypath', options: {} },
  { name: 'anypath, classical key exchange only', options: { peer: { classicalOnly: true } } },
  { name: 'anypath, early data (0-RTT)', options: { peer: { earlyData: true }, earlyData: true } },
  {
    name: 'anypath, early data, classical only',
    options: { peer: { earlyData: true, classicalOnly: true }, earlyData: true },
  },
]

async function run({ settings, ...how }) {
  const all = {}
  const texts = []
  const limits = { maxConnectionsPerRemote: 10_000, maxConnectionsPerAddress: 10_000, retryAbove: 1000 }
  for (const concurrency of [1, 32]) {
    const options = { ...how.options, count: settings.count, concurrency, limits }
    const contenders = [
      ...MODES.map((mode) => ({ ...mode, server: 'anypath', client: 'anypath' })),
      { name: 'TLS 1.3 over TCP (node:tls), full handshake', server: 'tls', client: 'tls' },
    ]
    const rows = await contest('handshakes', contenders, { ...how, rounds: settings.rounds, options })
    all[concurrency] = rows
    texts.push(`${settings.count} connections, ${concurrency} at a time\n\n${render(rows, settings.count)}`)
  }
  return { rows: all, text: texts.join('\n\n') }
}

function render(rows, count) {
  const rate = ({ client }) => client.perSecond
  const cells = rows.map((row) => {
    if (row.error !== undefined) return row
    const of = (figure) => median(row.runs.map(figure))
    return [
      row.name,
      of(rate),
      row === rows[0] ? '1' : ratio(rows[0], row, rate),
      of(({ client }) => client.p50Ms),
      of(({ client, server }) => (1000 * (client.cpuSeconds + server.cpuSeconds)) / count),
      of(({ client }) => client.bytesUp),
      of(({ client }) => client.bytesDown),
      of(({ client }) => (client.early === undefined ? undefined : (100 * client.early) / count)),
      row.runs[0]?.client.group ?? '',
    ]
  })
  const head = [
    '',
    'a second',
    'anypath / this',
    'median ms',
    'CPU ms, both sides',
    'bytes up',
    'bytes down',
    'early data taken %',
    'group',
  ]
  return table(head, cells)
}
