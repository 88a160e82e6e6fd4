import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { WebSocket } from 'ws'
import { inTurn } from '../harness/browser-turns.mjs'
import { openDialling, openServing, servePages } from '../harness/browsers.mjs'
import { missingPackage } from '../harness/contenders.mjs'
import { median, ratio } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

const FORWARDER = fileURLToPath(new URL('../harness/forwarder.mjs', import.meta.url))
const MIB = 1 << 20
const TINY_MIB = 1

export const pageload = {
  name: 'pageload',
  title: 'From asking for a page to the answer to its first message, which another page of the same browser gives',
  defaults: { rounds: 5, seconds: 1 },
  run: (given) => inBrowsers(given, loadContenders(), measureLoad, renderLoad),
}

export const pagethroughput = {
  name: 'pagethroughput',
  title:
    'One page sends 64 MiB: anypath, end-to-end encrypted over its relay, beside a plain WebSocket that is passed on',
  defaults: { rounds: 3, seconds: 1, mib: 64 },
  run: (given) => inBrowsers(given, BULK, measureBulk, renderBulk),
}

const loadContenders = () => [
  { name: 'anypath', page: 'anypath' },
  { name: 'simple-peer 9.11.1 (WebRTC)', page: 'simple-peer', missing: missingPackage('simple-peer') },
]

const BULK = [
  { name: 'anypath', page: 'anypath', nodeSide: serveAnypath },
  { name: 'WebSocket, passed on by ws', page: 'websocket', nodeSide: serveWebSocket },
]

/** Runs contenders in turn in each browser; the relay, the forwarder and the browser are processes of their own. */
async function inBrowsers({ settings, options, only, progress }, all, measure, render) {
  const tiny = settings.rounds === 1 && settings.seconds < 1
  const contenders = all.filter(({ name }, at) => at === 0 || (only?.some((part) => name.includes(part)) ?? true))
  const relay = await startRelay(options.package)
  const forwarder = fork(FORWARDER)
  const [{ port }] = await once(forwarder, 'message')
  const site = await servePages(options.package)
  const work = {
    package: options.package,
    site,
    bytes: (tiny ? TINY_MIB : (settings.mib ?? 1)) * MIB,
    given: { relay: relay.url, forwarder: `ws://127.0.0.1:${port}/` },
  }
  try {
    const rows = await inTurn({ rounds: settings.rounds, progress }, contenders, (browser, contender) =>
      measure(browser, contender, work),
    )
    return { rows, text: Object.entries(rows).map(render).join('\n\n') }
  } finally {
    site.close()
    forwarder.disconnect()
    relay.stop()
  }
}

async function startRelay(packageFile) {
  const program = join(dirname(packageFile), 'cli', 'anypath.mjs')
  const args = ['relay', '--port', '0', '--json', '--bytes-per-second', '0', '--messages-per-second', '0']
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  return { url: `http://127.0.0.1:${JSON.parse(line).httpPort}/`, stop: () => child.kill() }
}

/** The first page of a new profile, then another one of the same: the browser has the scripts by then. */
async function measureLoad(browser, { page }, { site, given }) {
  const profiles = [await browser.newContext(), await browser.newContext()]
  try {
    const figures = {}
    for (const which of ['freshMs', 'warmMs']) {
      const serving = await openServing(profiles[0], site, page, given)
      const dialling = await openDialling(profiles[1], site, page, { ...given, address: serving.address })
      figures[which] = dialling.firstMessageMs
      await Promise.all([serving.page.close(), dialling.page.close()])
    }
    return figures
  } finally {
    for (const profile of profiles) await profile.close()
  }
}

async function measureBulk(browser, { page, nodeSide }, { site, given, bytes, package: packageFile }) {
  const profile = await browser.newContext()
  const node = await nodeSide(given, packageFile)
  try {
    const { page: serving, address } = await openServing(profile, site, page, given)
    const toPage = await bulk(profile, site, page, { ...given, address }, bytes)
    await serving.close()
    return { toPage, toNode: await bulk(profile, site, page, { ...given, address: node.address }, bytes) }
  } finally {
    await profile.close()
    await node.close()
  }
}

/** Megabytes per second until the other side has said that it has everything. */
async function bulk(profile, site, name, given, bytes) {
  const { page } = await openDialling(profile, site, name, given)
  const seconds = await page.evaluate((bytes) => globalThis.contender.send({ bytes }), bytes)
  await page.close()
  return bytes / seconds / 1e6
}

/** What the page does that serves, in Node. */
async function serveAnypath({ relay }, packageFile) {
  const { Peer } = await import(pathToFileURL(packageFile).href)
  const peer = await Peer.create({ alpns: ['bench/1'], relays: [relay], transports: [] })
  const answer = async ({ readable, writable }) => {
    for await (const _ of readable);
    const writer = writable.getWriter()
    await writer.write(new Uint8Array(1))
    await writer.close()
  }
  const serve = async (connection) => {
    for await (const stream of connection.incomingBidirectionalStreams) answer(stream).catch(() => {})
  }
  const accept = async () => {
    for await (const connection of peer.incoming) serve(connection).catch(() => {})
  }
  accept().catch(() => {})
  await peer.online()
  return { address: String(await peer.ticket()), close: () => peer.close() }
}

async function serveWebSocket({ forwarder }) {
  const room = crypto.randomUUID()
  const socket = new WebSocket(`${forwarder}${room}`, { perMessageDeflate: false })
  await once(socket, 'open')
  let left = 0
  socket.on('message', (data, binary) => {
    if (binary) left -= data.length
    else left = Number(data)
    if (left === 0) socket.send(new Uint8Array(1))
  })
  return { address: room, close: async () => socket.terminate() }
}

const LOAD_COLUMNS = [
  ['fresh profile, ms', ({ freshMs }) => freshMs],
  ['warm cache, ms', ({ warmMs }) => warmMs],
]

const BULK_COLUMNS = [
  ['page to page, MB/s', ({ toPage }) => toPage],
  ['page to Node, MB/s', ({ toNode }) => toNode],
]

const renderLoad = ([browser, rows]) => render(browser, rows, LOAD_COLUMNS)
const renderBulk = ([browser, rows]) => render(browser, rows, BULK_COLUMNS)

function render(browser, rows, columns) {
  const [first] = rows
  const cells = rows.map((row) => {
    if (row.error !== undefined) return row
    const figures = columns.flatMap(([, figure]) => [
      median(row.runs.map(figure)),
      first.error === undefined ? ratio(first, row, figure) : undefined,
    ])
    return [row.name, ...figures]
  })
  return `${browser}\n\n${table(['', ...columns.flatMap(([name]) => [name, 'anypath / this'])], cells)}`
}
