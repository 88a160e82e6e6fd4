import { contest, median, ratio } from '../harness/contest.mjs'
import { buildVariant } from '../harness/core-variant.mjs'
import { table } from '../harness/table.mjs'

const LIMITS = { gzip: 600_000, brotli: 450_000 }

export const size = {
  name: 'size',
  title: "The browser's core by optimisation: size, and MB/s with both sides on one thread in one process",
  defaults: { rounds: 3, seconds: 2, warmUp: 1.5 },
  onlyByName: true,
  run,
}

function levels(level, hot, opt = 'O3') {
  return ['--level', level, '--hot', hot, '--opt', opt]
}

const PACKETS = 'anypath-aead,bytes,noq-proto,ring'
const VARIANTS = [
  { name: 'opt-level 3', flags: levels('3', '') },
  { name: 'as shipped: z, what packets pass through at 3' },
  { name: 's, what packets pass through at 3', flags: levels('s', PACKETS) },
  { name: 'z, that and the core at 3', flags: levels('z', `${PACKETS},anypath-peer,anypath-boundary`) },
  { name: 'z, only ring and the AEAD at 3', flags: levels('z', 'anypath-aead,ring') },
  { name: 'z', flags: levels('z', '', 'Oz') },
  {
    name: 'as shipped, packets sealed by ring',
    edits: [
      [
        'peer/src/tls/provider.rs',
        'cfg!(all(target_arch = "wasm32", target_feature = "simd128"))',
        'cfg!(target_arch = "none")',
      ],
    ],
  },
  {
    name: 'as shipped, without post-quantum key exchange',
    edits: [['peer/src/tls/provider.rs', 'vec![X25519_MLKEM768, X25519]', 'vec![X25519]']],
  },
  {
    name: 'as shipped, without log records',
    edits: [['boundary/Cargo.toml', 'release_max_level_warn', 'release_max_level_off']],
  },
  {
    name: 'as shipped, without bloom filters',
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
  const perProcessorSecond = ({ client, server }) => client.mbPerSecond / (client.cores + server.cores)
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
      median(row.runs.map(perProcessorSecond)),
      ratio(row, rows[0], perProcessorSecond),
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
    'MB per CPU second',
    'of the first',
    'under 600 gzip, 450 brotli',
  ]
  return table(head, cells)
}
