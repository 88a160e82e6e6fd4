import { contest, median, ratio } from '../harness/contest.mjs'
import { buildVariant } from '../harness/core-variant.mjs'
import { table } from '../harness/table.mjs'

const PROFILE = /\[profile\.release\]\nopt-level = 3/
const HOT = ['ring', 'noq-proto', 'bytes', 'anypath-peer', 'anypath-boundary', 'rustls']
const LIMITS = { gzip: 600_000, brotli: 450_000 }

export const size = {
  name: 'size',
  title: "The browser's core by optimisation: size, and MB/s with both sides on one thread in one process",
  defaults: { rounds: 3, seconds: 2, warmUp: 1.5 },
  onlyByName: true,
  run,
}

function profile(level, hot = []) {
  const packages = hot.map((name) => `\n[profile.release.package.${name}]\nopt-level = 3\n`).join('')
  // A table of a package must not stand within the profile's own.
  return [
    ['Cargo.toml', PROFILE, `[profile.release]\nopt-level = ${JSON.stringify(level)}`],
    ...(hot.length > 0 ? [['Cargo.toml', /$/, packages]] : []),
  ]
}

const VARIANTS = [
  { name: 'opt-level 3', edits: [] },
  { name: 's, hot crates at 3', edits: profile('s', HOT) },
  { name: 'z, hot crates at 3', edits: profile('z', HOT) },
  { name: 'z, ring and noq-proto at 3', edits: profile('z', ['ring', 'noq-proto', 'bytes']) },
  { name: 's', edits: profile('s'), opt: 'Os' },
  { name: 'z', edits: profile('z'), opt: 'Oz' },
  {
    name: 'opt-level 3, without tracing',
    edits: [['boundary/Cargo.toml', 'release_max_level_debug', 'release_max_level_off']],
  },
  {
    name: 'opt-level 3, without bloom',
    edits: [['Cargo.toml', '["rustls", "ring", "bloom"]', '["rustls", "ring"]']],
  },
]

async function run({ settings, progress, only, ...how }) {
  const wanted = VARIANTS.filter(({ name }, at) => at === 0 || (only?.some((part) => name.includes(part)) ?? true))
  const contenders = []
  const sizes = new Map()
  for (const variant of wanted) {
    progress(`size: building ${variant.name}`)
    const pair = { name: variant.name, server: 'in-process', client: 'in-process', suite: 'memory' }
    try {
      const core = await buildVariant(variant)
      sizes.set(variant.name, core)
      contenders.push({ ...pair, options: { core } })
    } catch (error) {
      contenders.push({ ...pair, missing: error.message })
    }
  }
  const options = { ...how.options, seconds: settings.seconds, warmUp: settings.warmUp }
  const rows = await contest('size', contenders, { ...how, progress, rounds: settings.rounds, options })
  return { rows: rows.map((row) => ({ ...row, ...sizes.get(row.name) })), text: render(rows, sizes) }
}

function render(rows, sizes) {
  const speed = ({ client }) => client.mbPerSecond
  const kb = (bytes) => bytes / 1000
  const base = sizes.get(rows[0].name)
  const cells = rows.map((row) => {
    const built = sizes.get(row.name)
    if (built === undefined || row.error !== undefined) return row
    const within = built.gzip < LIMITS.gzip && built.brotli < LIMITS.brotli
    const less = base && kb(built.brotli - base.brotli)
    return [
      row.name,
      kb(built.raw),
      kb(built.gzip),
      kb(built.brotli),
      less,
      median(row.runs.map(speed)),
      ratio(row, rows[0], speed),
      within ? 'yes' : 'no',
    ]
  })
  const head = [
    '',
    'raw KB',
    'gzip KB',
    'brotli KB',
    'beside the first',
    'MB/s',
    'of the first',
    'under 600 gzip, 450 brotli',
  ]
  return table(head, cells)
}
