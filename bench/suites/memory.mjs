import { contest, median } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

const TARGET_KIB = 64

export const memory = {
  name: 'memory',
  title: 'What an idle connection costs',
  defaults: { rounds: 1, connections: 5000, settleSeconds: 5, idleSeconds: 10 },
  run,
}

async function run({ settings, ...how }) {
  const { connections } = settings
  const room = connections + 100
  const limits = {
    maxConnections: room,
    maxConnectionsPerRemote: room,
    maxConnectionsPerAddress: room,
    maxHandshakes: room,
    retryAbove: room,
    incomingBacklog: room,
    // Memory does not depend on how busy the machine is, and must not fail because of it.
    handshakeTimeoutMs: 60_000,
  }
  const options = { ...how.options, ...settings, concurrency: 50, limits }
  const plain = { server: 'anypath', client: 'anypath', flags: ['--expose-gc'], timeoutMs: 900_000 }
  const quiet = { limits: { ...limits, keepAliveMs: 0 } }
  const contenders = [
    { ...plain, name: 'anypath, keep-alive every 2.5 s (default)' },
    { ...plain, name: 'anypath, without keep-alive', options: quiet },
  ]
  const rows = await contest('memory', contenders, { ...how, rounds: settings.rounds, options })
  return { rows, text: render(rows) }
}

function render(rows) {
  const cells = rows.flatMap((row) => {
    if (row.error !== undefined) return [row]
    return ['client', 'server'].map((side) => {
      const of = (field) => median(row.runs.map((run) => run[side][field]))
      const kib = (field) => of(field) / 1024
      const total = kib('wasmEach') + kib('heapEach')
      const verdict = total < TARGET_KIB ? 'reached' : 'missed'
      const name = `${row.name}, ${side === 'client' ? 'dialler' : 'listener'}`
      return [
        name,
        of('connections'),
        kib('wasmEach'),
        kib('heapEach'),
        total,
        verdict,
        kib('rssEach'),
        of('idleCores'),
      ]
    })
  })
  const head = [
    '',
    'connections',
    'WASM KiB each',
    'heap KiB each',
    'sum',
    `under ${TARGET_KIB} KiB`,
    'resident KiB each',
    'cores while idle',
  ]
  return table(head, cells)
}
