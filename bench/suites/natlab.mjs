import { fileURLToPath, pathToFileURL } from 'node:url'
import { buildTests } from '../../scripts/build-tests.mjs'
import { median, ratio } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

export const natlab = {
  name: 'natlab',
  title: 'Time to the first byte and to a direct path, behind NATs of the kernel, both ways of one site 25 ms',
  defaults: { rounds: 7 },
  run,
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** The dialler's NAT and the listener's. The last pair stays on the relay. */
const PAIRS = [
  ['none', 'none'],
  ['portrestricted', 'portrestricted'],
  ['linux', 'linux'],
  ['symmetric', 'fullcone'],
  ['udpblock', 'none'],
]
const RELAYED = 'udpblock'
const DIRECT_WITHIN_MS = 15_000

async function run({ settings, irohPeer, progress }) {
  const parts = await laboratoryParts(irohPeer)
  const missing = parts.laboratoryMissing()
  if (missing !== false) return { rows: [], text: `skipped: ${missing}` }
  const contenders = ['anypath', ...(irohPeer.missing === undefined ? ['iroh'] : [])]
  const rows = Object.fromEntries(PAIRS.map((pair) => [pair.join(' dials '), contenders.map(newRow)]))
  const sites = PAIRS.flatMap(([dialler, listener], i) => [
    [`a${i}`, dialler],
    [`b${i}`, listener],
  ])
  const laboratory = await parts.Laboratory.start({ sites: Object.fromEntries(sites) })
  const certificate = new parts.RelayCertificate()
  try {
    const relay = await parts.LabRelay.start(laboratory, 0, { certificate: certificate.files })
    await parts.LabRelay.start(laboratory, 1)
    const start = {
      anypath: (host) => new parts.LabPeer(laboratory, host, { relays: [relay.url] }),
      iroh: (host) => new parts.LabIroh(laboratory, host, relay, certificate),
    }
    for (let round = 0; round < settings.rounds; round++) {
      for (const [i, pair] of PAIRS.entries()) {
        for (const row of rows[pair.join(' dials ')]) {
          if (row.error !== undefined) continue
          progress(`natlab: round ${round + 1} of ${settings.rounds}: ${row.name}, ${pair.join(' dials ')}`)
          await meetOnce(parts, start[row.name], i, pair.includes(RELAYED)).then(
            (figures) => row.runs.push(figures),
            (error) => {
              row.error = error.message
            },
          )
        }
      }
    }
  } finally {
    await laboratory.end()
    certificate[Symbol.dispose]()
  }
  return { rows, text: render(rows, irohPeer) }
}

const newRow = (name) => ({ name, runs: [], error: undefined, apart: false })

/** What the tests' laboratory is made of; `irohPeer` is the optimised one. */
async function laboratoryParts({ path }) {
  await buildTests(ROOT)
  process.env.ANYPATH_ROOT = ROOT
  if (path !== undefined) process.env.ANYPATH_INTEROP_PEERS = JSON.stringify({ irohPeer: path })
  const names = ['hosts', 'laboratory', 'participants', 'stock-iroh', 'cells']
  const urls = names.map((name) => pathToFileURL(`${ROOT}.test-build/test/natlab/${name}.js`).href)
  return Object.assign({}, ...(await Promise.all(urls.map((url) => import(url)))))
}

/** Peers that start anew have new ports, which their NATs know nothing of. */
async function meetOnce({ dial, directAt }, start, i, isRelayed) {
  const [dialler, listener] = [start(`ca${i}`), start(`cb${i}`)]
  try {
    const [, address] = await Promise.all([dialler.ready(), listener.ready()])
    const begin = performance.timeOrigin + performance.now()
    const { firstByteMs } = await dial(dialler, address)
    if (isRelayed) return { firstByteMs }
    const times = await Promise.all([dialler, listener].map((peer) => directAt(peer, DIRECT_WITHIN_MS)))
    return { firstByteMs, directMs: Math.max(...times) - begin }
  } finally {
    await Promise.all([dialler.kill(), listener.kill()])
  }
}

function render(rows, { missing }) {
  const cells = Object.entries(rows).map(([name, [ours, theirs]]) => {
    const failed = [ours, theirs].find((row) => row?.error !== undefined)
    if (failed !== undefined) return { name, error: `${failed.name}: ${failed.error}` }
    const figures = ['firstByteMs', 'directMs'].flatMap((field) => {
      const figure = (one) => one[field]
      const middle = (row) => row && median(row.runs.map(figure))
      return [middle(ours), middle(theirs), theirs && ratio(ours, theirs, figure)]
    })
    return [name, ...figures]
  })
  if (missing !== undefined) cells.push({ name: 'iroh', error: missing })
  const head = ['first byte', 'direct'].flatMap((what) => [`anypath, ${what} ms`, `iroh, ${what} ms`, 'anypath / iroh'])
  return table(['', ...head], cells)
}
