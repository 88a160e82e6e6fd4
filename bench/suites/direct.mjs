import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inTurn } from '../harness/browser-turns.mjs'
import { openDialling, servePages } from '../harness/browsers.mjs'
import { median, ratio } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

const NODE_SIDE = fileURLToPath(new URL('../harness/two-way.mjs', import.meta.url))
const MIB = 1 << 20
const TINY_MIB = 1

export const pagedirect = {
  name: 'pagedirect',
  title:
    'A page and a Node peer, 64 MiB on one stream each way: anypath over WebTransport, beside a plain session with the same listener',
  defaults: { rounds: 3, seconds: 1, mib: 64 },
  run,
}

const CONTENDERS = [
  { name: 'anypath over WebTransport', page: 'anypath-direct' },
  { name: 'a plain WebTransport session', page: 'webtransport' },
]

const COLUMNS = [
  ['page to Node, MB/s', ({ up }) => up],
  ['Node to page, MB/s', ({ down }) => down],
]

async function run({ settings, options, progress }) {
  const tiny = settings.rounds === 1 && settings.seconds < 1
  const bytes = (tiny ? TINY_MIB : (settings.mib ?? 1)) * MIB
  const node = fork(NODE_SIDE, [options.package])
  const [address] = await once(node, 'message')
  const site = await servePages(options.package)
  try {
    const rows = await inTurn({ rounds: settings.rounds, progress }, CONTENDERS, (browser, { page }) =>
      measure(browser, site, page, { address }, bytes),
    )
    return { rows, text: Object.entries(rows).map(render).join('\n\n') }
  } finally {
    site.close()
    node.disconnect()
  }
}

/** Megabytes per second each way, until the other side has said that it has everything. */
async function measure(browser, site, name, given, bytes) {
  const profile = await browser.newContext()
  try {
    const { page } = await openDialling(profile, site, name, given)
    const figures = {}
    for (const way of ['up', 'down']) {
      const seconds = await page.evaluate(([way, bytes]) => globalThis.contender[way]({ bytes }), [way, bytes])
      figures[way] = bytes / seconds / 1e6
    }
    return figures
  } finally {
    await profile.close()
  }
}

function render([browser, rows]) {
  const [first] = rows
  const cells = rows.map((row) => {
    if (row.error !== undefined) return row
    const figures = COLUMNS.flatMap(([, figure]) => [
      median(row.runs.map(figure)),
      first.error === undefined ? ratio(first, row, figure) : undefined,
    ])
    return [row.name, ...figures]
  })
  return `${browser}\n\n${table(['', ...COLUMNS.flatMap(([name]) => [name, 'anypath / this'])], cells)}`
}
