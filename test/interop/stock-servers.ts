import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stockPeers } from './stock-peers.js'

const START_LIMIT_MS = 60_000
/** Somebody else may take a free port before the server does. */
const MAX_TRIES = 5

/** A running stock server, which ends and leaves nothing when it is disposed of. */
export interface StockServer extends AsyncDisposable {
  /** Where it answers HTTP, `http://127.0.0.1:<port>/`. */
  readonly url: string
}

/** A running `iroh-dns-server`: a pkarr relay by its `url`, and a name server. */
export interface StockDnsServer extends StockServer {
  /** Where it answers DNS over UDP and TCP, `127.0.0.1:<port>`. */
  readonly nameServer: string
  /** The domain below which it has the records of peers. */
  readonly origin: string
}

/** Starts `iroh-relay --dev`: the stock relay, by plain HTTP, on loopback. */
export async function startStockRelay(): Promise<StockServer> {
  const { irohRelay = '' } = stockPeers ?? {}
  return start('/ping', irohRelay, ['--dev', '--config-path'], ([http]) => [
    `http_bind_addr = "127.0.0.1:${http}"`,
    'enable_metrics = false',
  ])
}

/** Starts `iroh-dns-server` on loopback, without a limit of puts, and without the distributed hash table. */
export async function startStockDnsServer(): Promise<StockDnsServer> {
  const { irohDnsServer = '' } = stockPeers ?? {}
  const origin = 'records.example'
  const server = await start('/healthcheck', irohDnsServer, ['--config'], ([http, dns], folder) => [
    `data_dir = "${folder}"`,
    'pkarr_put_rate_limit = "disabled"',
    '[http]',
    'bind_addr = "127.0.0.1"',
    `port = ${http}`,
    '[dns]',
    'bind_addr = "127.0.0.1"',
    `port = ${dns}`,
    // Without the root among them it does not start.
    `origins = ["${origin}", "."]`,
    `default_soa = "ns.${origin} hostmaster.${origin} 0 10800 3600 604800 3600"`,
    'default_ttl = 30',
    '[metrics]',
    'disabled = true',
  ])
  return { ...server, nameServer: `127.0.0.1:${server.ports[1]}`, origin }
}

type Ports = readonly [http: number, other: number]

/** Starts a server whose configuration is given as lines of TOML, and waits until it answers at a path. */
async function start(
  path: string,
  program: string,
  args: readonly string[],
  configuration: (ports: Ports, folder: string) => string[],
): Promise<StockServer & { readonly ports: Ports }> {
  const folder = await mkdtemp(join(tmpdir(), 'anypath-stock-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const file = join(folder, 'config.toml')
  const deadline = performance.now() + START_LIMIT_MS
  let told = ''
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const ports: Ports = [await freePort(), await freePort()]
    await writeFile(file, configuration(ports, folder).join('\n'))
    const child = spawn(program, [...args, file], { stdio: ['ignore', 'pipe', 'pipe'] })
    told = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        told = `${told}${text}`.slice(-4000)
      })
    }
    const url = `http://127.0.0.1:${ports[0]}/`
    if (await answers(new URL(path, url), child, deadline)) {
      const dispose = () => ended(child).then(remove)
      return { url, ports, [Symbol.asyncDispose]: dispose }
    }
    await ended(child)
  }
  await remove()
  throw new Error(`${program} does not start: ${told}`)
}

async function answers(url: URL, child: ChildProcess, deadline: number): Promise<boolean> {
  let failed = false
  child.once('error', () => {
    failed = true
  })
  while (!failed && isRunning(child) && performance.now() < deadline) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok && isRunning(child)) return true
    await sleep(50)
  }
  return false
}

function isRunning({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null
}

async function ended(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

/** A port of loopback that nothing listens on now, neither by TCP nor, as far as that goes, by UDP. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
