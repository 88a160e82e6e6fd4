import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get as getHttp } from 'node:http'
import { get as getHttps } from 'node:https'
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
  /** Where it answers HTTP, such as `http://127.0.0.1:<port>/`. */
  readonly url: string
  /** The ports that it was given. */
  readonly ports: Ports
}

/** A running `iroh-dns-server`: a pkarr relay by its `url`, and a name server. */
export interface StockDnsServer extends StockServer {
  /** Where it answers DNS over UDP and TCP, `127.0.0.1:<port>`. */
  readonly nameServer: string
  /** The domain below which it has the records of peers. */
  readonly origin: string
}

/** Starts `iroh-relay --dev`: the stock relay, by plain HTTP, on loopback; with tokens it serves only who presents one. */
export async function startStockRelay(tokens: readonly string[] = []): Promise<StockServer> {
  return startStock({
    program: stockPeers?.irohRelay ?? '',
    args: ['--dev', '--config-path'],
    configuration: ([http]) => [
      `http_bind_addr = "127.0.0.1:${http}"`,
      'enable_metrics = false',
      ...(tokens.length > 0 ? [`access.shared_token = ${JSON.stringify(tokens)}`] : []),
    ],
    url: ([http]) => `http://127.0.0.1:${http}/`,
    answersAt: '/ping',
  })
}

/** Where a stock relay serves QUIC Address Discovery unless it is told otherwise, and where clients therefore look for it. */
export const STOCK_QAD_PORT = 7842

/**
 * Starts `iroh-relay` with TLS and QUIC Address Discovery, the latter at the port that clients expect.
 *
 * @param host an address of loopback that nobody else has at that port.
 */
export async function startStockTlsRelay(
  host: string,
  certificate: { readonly certificatePem: string; readonly privateKeyPem: string },
): Promise<StockServer> {
  return startStock({
    program: stockPeers?.irohRelay ?? '',
    args: ['--config-path'],
    configuration: ([http, https], folder) => {
      writeFileSync(join(folder, 'chain.pem'), certificate.certificatePem)
      writeFileSync(join(folder, 'key.pem'), certificate.privateKeyPem)
      return [
        `http_bind_addr = "${host}:${http}"`,
        'enable_metrics = false',
        'enable_quic_addr_discovery = true',
        '[tls]',
        `https_bind_addr = "${host}:${https}"`,
        `quic_bind_addr = "${host}:${STOCK_QAD_PORT}"`,
        'cert_mode = "Manual"',
        `manual_cert_path = "${folder}/chain.pem"`,
        `manual_key_path = "${folder}/key.pem"`,
      ]
    },
    url: ([, https]) => `https://${host}:${https}/`,
    answersAt: '/ping',
  })
}

/** Starts `iroh-dns-server` on loopback, without a limit of puts, and without the distributed hash table. */
export async function startStockDnsServer(): Promise<StockDnsServer> {
  const origin = 'records.example'
  const server = await startStock({
    program: stockPeers?.irohDnsServer ?? '',
    args: ['--config'],
    configuration: ([http, dns], folder) => [
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
    ],
    url: ([http]) => `http://127.0.0.1:${http}/`,
    answersAt: '/healthcheck',
  })
  return { ...server, nameServer: `127.0.0.1:${server.ports[1]}`, origin }
}

/** Free ports, all that a server may want. */
export type Ports = readonly [number, number, number, number]

export interface Launch {
  readonly program: string
  /** The path of its configuration comes behind them. */
  readonly args: readonly string[]
  /** Lines of TOML; the folder is the server's own. */
  readonly configuration: (ports: Ports, folder: string) => readonly string[]
  readonly url: (ports: Ports) => string
  /** A path that answers as soon as the server runs. */
  readonly answersAt: string
}

/** Starts a server, and waits until it answers. */
export async function startStock(launch: Launch): Promise<StockServer> {
  const folder = await mkdtemp(join(tmpdir(), 'anypath-stock-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  const file = join(folder, 'config.toml')
  const deadline = performance.now() + START_LIMIT_MS
  let told = ''
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const ports: Ports = [await freePort(), await freePort(), await freePort(), await freePort()]
    await writeFile(file, launch.configuration(ports, folder).join('\n'))
    const child = spawn(launch.program, [...launch.args, file], { stdio: ['ignore', 'pipe', 'pipe'] })
    told = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        told = `${told}${text}`.slice(-4000)
      })
    }
    const url = launch.url(ports)
    if (await answers(new URL(launch.answersAt, url), child, deadline)) {
      return { url, ports, [Symbol.asyncDispose]: () => ended(child).then(remove) }
    }
    await ended(child)
  }
  await remove()
  throw new Error(`${launch.program} does not start: ${told}`)
}

async function answers(url: URL, child: ChildProcess, deadline: number): Promise<boolean> {
  let failed = false
  child.once('error', () => {
    failed = true
  })
  while (!failed && isRunning(child) && performance.now() < deadline) {
    if ((await isOk(url)) && isRunning(child)) return true
    await sleep(50)
  }
  return false
}

/** Whoever the certificate is for. */
function isOk(url: URL): Promise<boolean> {
  const get = url.protocol === 'https:' ? getHttps : getHttp
  return new Promise((resolve) => {
    const request = get(url, { agent: false, rejectUnauthorized: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.on('error', () => resolve(false))
  })
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

/** A port of loopback that nothing listens on by TCP. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
