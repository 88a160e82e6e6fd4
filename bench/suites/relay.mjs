import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { prepareRelay } from '../../scripts/interop-peers.mjs'
import { median, ratio } from '../harness/contest.mjs'
import { table } from '../harness/table.mjs'

export const relay = {
  name: 'relay',
  title: 'A relay under load: the embedded one beside a stock iroh-relay, on the same work',
  defaults: { rounds: 3, seconds: 5, clients: 2000, pairs: 16, rate: 2000 },
  run,
}

const LOAD = fileURLToPath(new URL('../harness/relay-load.mjs', import.meta.url))
const STOCK = 'iroh-relay 1.4.1'
const TINY_CLIENTS = 20
/** Linux counts a process's time in hundredths of a second. */
const TICKS_PER_SECOND = 100

async function run({ settings, options, only, progress }) {
  const sizes = settings.rounds === 1 && settings.seconds < 1 ? { clients: TINY_CLIENTS, pairs: 4, rate: 200 } : {}
  const work = { ...settings, ...sizes }
  const ours = { name: 'anypath relay', start: () => startOurs(options.package, work) }
  const withStock = only?.some((part) => STOCK.includes(part)) ?? true
  const stock = sizes.clients === undefined && withStock ? await findStock() : { missing: 'not built for a small run' }
  const theirs = { name: STOCK, missing: stock.missing, start: () => startStock(stock.irohRelay) }
  const contenders = withStock ? [ours, theirs] : [ours]
  const rows = contenders.map(({ name, missing }) => ({ name, runs: [], error: missing }))
  for (let round = 0; round < work.rounds; round++) {
    for (const [at, contender] of contenders.entries()) {
      if (rows[at].error !== undefined) continue
      progress(`relay: round ${round + 1} of ${work.rounds}: ${contender.name}`)
      try {
        rows[at].runs.push(await measure(contender, work))
      } catch (error) {
        rows[at].error = error.message
      }
    }
  }
  return { rows, text: render(rows, work) }
}

async function findStock() {
  try {
    return await prepareRelay({ release: true })
  } catch (error) {
    return { missing: error.message }
  }
}

async function measure({ start }, work) {
  const server = await start()
  const load = fork(LOAD, [JSON.stringify({ port: server.port, ...work })], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    const step = (name, settings) => ask(load, { step: name, ...settings })
    const before = usage(server.pid)
    const { perSecond: opened } = await step('open')
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    const idle = usage(server.pid)
    const timed = async (name, settings) => {
      const cpu = usage(server.pid).cpuSeconds
      const figures = await step(name, settings)
      return { ...figures, cpuSeconds: usage(server.pid).cpuSeconds - cpu }
    }
    const latency = await timed('paced', {})
    const single = await timed('bulk', { packets: 1, window: 128 })
    const batch = await timed('bulk', { packets: 16, window: 16 })
    const kibEach = (idle.residentBytes - before.residentBytes) / 1024 / work.clients
    return { opened, kibEach, latency, single, batch, peakMib: usage(server.pid).peakBytes / 2 ** 20 }
  } finally {
    load.kill()
    await server.stop()
  }
}

function ask(load, message) {
  return new Promise((resolve, reject) => {
    load.removeAllListeners('message')
    load.once('exit', () => reject(new Error('the load has ended')))
    load.on('message', ({ figures, error }) => (error === undefined ? resolve(figures) : reject(new Error(error))))
    load.send(message)
  })
}

async function startOurs(packageFile, { clients }) {
  const program = join(dirname(packageFile), 'cli', 'anypath.mjs')
  const room = String(clients + 100)
  const args = ['relay', '--port', '0', '--json', '--max-clients', room, '--max-connections-per-address', room]
  args.push('--max-handshakes-per-address', '512', '--bytes-per-second', '0', '--messages-per-second', '0')
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  return running(child, JSON.parse(line).httpPort)
}

/** In development mode it serves plain HTTP, on the port of its configuration. */
async function startStock(program) {
  const folder = mkdtempSync(join(tmpdir(), 'anypath-bench-'))
  const port = await freePort()
  const config = join(folder, 'relay.toml')
  writeFileSync(config, `http_bind_addr = "127.0.0.1:${port}"\nenable_metrics = false\n`)
  const child = spawn(program, ['--dev', '-c', config], { stdio: 'ignore', env: { ...process.env, RUST_LOG: 'error' } })
  for (let tries = 0; tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    const answer = await fetch(`http://127.0.0.1:${port}/ping`).catch(() => undefined)
    if (answer?.ok) return running(child, port, folder)
  }
  child.kill()
  throw new Error('iroh-relay does not answer')
}

function running(child, port, folder) {
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
  return { pid: child.pid, port, stop }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** A process's memory and processor time, as Linux tells them. */
function usage(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytesOf = (field) => 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  return { residentBytes: bytesOf('VmRSS'), peakBytes: bytesOf('VmHWM'), cpuSeconds }
}

const COLUMNS = [
  ['clients opened a second', ({ opened }) => opened],
  ['KiB resident per idle client', ({ kibEach }) => kibEach],
  ['p50 ms', ({ latency }) => latency.p50Ms],
  ['p99 ms', ({ latency }) => latency.p99Ms],
  ['lost', ({ latency }) => latency.sent - latency.arrived],
  ['messages/s of 1,200 B', ({ single }) => single.perSecond],
  ['MB/s', ({ single }) => single.mbPerSecond],
  ['CPU µs a message', ({ single }) => (1e6 * single.cpuSeconds) / single.messages],
  ['MB/s in batches of 16', ({ batch }) => batch.mbPerSecond],
]

function render(rows, { clients, pairs, rate, seconds }) {
  const [first] = rows
  const cells = rows.flatMap((row) => {
    if (row.error !== undefined) return [row]
    const figures = [row.name, ...COLUMNS.map(([, figure]) => median(row.runs.map(figure)))]
    if (row === first || first.error !== undefined) return [figures]
    return [figures, [`anypath / ${row.name}`, ...COLUMNS.map(([, figure]) => ratio(first, row, figure))]]
  })
  const how = `${clients} clients. Latency: all of them together send ${rate} messages a second. Throughput: ${pairs} pairs, ${seconds} s.`
  return `${how}\n\n${table(['', ...COLUMNS.map(([name]) => name)], cells)}`
}
