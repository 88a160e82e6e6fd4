import { missingPackage } from '../harness/contenders.mjs'
import { contest, median, ratio } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

const DATAGRAM_BYTES = 1000

export const datagrams = {
  name: 'datagrams',
  title: 'Unreliable datagrams of 1,000 bytes, one direction',
  defaults: { rounds: 3, seconds: 3, warmUp: 1.5 },
  run,
}

async function run({ settings, ...how }) {
  const all = {}
  const texts = []
  for (const perSecond of [0, 20_000]) {
    const options = {
      ...how.options,
      seconds: settings.seconds,
      warmUp: settings.warmUp,
      perSecond,
      datagramBytes: DATAGRAM_BYTES,
    }
    const rows = await contest('datagrams', contenders(how.variants), { ...how, rounds: settings.rounds, options })
    all[perSecond] = rows
    texts.push(`${perSecond === 0 ? 'As fast as they are taken' : `Offered ${perSecond} a second`}\n\n${render(rows)}`)
  }
  return { rows: all, text: texts.join('\n\n') }
}

function contenders(variants) {
  const datachannel = {
    server: 'node-datachannel',
    client: 'node-datachannel',
    missing: missingPackage('node-datachannel'),
  }
  return [
    { name: 'anypath', server: 'anypath', client: 'anypath' },
    ...variants.map(({ name, options }) => ({ name, options, server: 'anypath', client: 'anypath' })),
    { name: 'raw dgram', server: 'dgram', client: 'dgram' },
    { name: 'node-datachannel, unordered, no retransmission', ...datachannel },
  ]
}

function render(rows) {
  const rate = ({ server }) => server.packets / server.seconds
  const loss = (run) => Math.max(0, 100 * (1 - rate(run) / run.client.sent))
  const cells = rows.map((row) => {
    if (row.error !== undefined) return row
    const of = (figure) => median(row.runs.map(figure))
    const against = row === rows[0] ? '1' : ratio(rows[0], row, rate)
    return [row.name, of(rate), against, of(loss), of(({ client }) => client.cores), of(({ server }) => server.cores)]
  })
  const head = ['', 'delivered a second', 'anypath / this', 'lost %', 'cores, sender', 'cores, receiver']
  return table(head, cells)
}
