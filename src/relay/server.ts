import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { nodeCore } from '../core/load.node.js'
import { RelayAuth } from '../core/relay-auth.js'
import { Access } from './access.js'
import { Forwarding } from './forwarding.js'
import { restartingFrame } from './frames.js'
import { answerCaptivePortalProbe, HttpService, pathOf, reply } from './http.js'
import { Listener, openPlainServer } from './listener.js'
import { type RelayLogger, silent } from './log.js'
import { createMetrics, type MutableMetrics, prometheusText, type RelayMetrics } from './metrics.js'
import { type RelayOptions, type ResolvedRelayOptions, resolveRelayOptions } from './options.js'
import { TurnEnd } from './outbox.js'
import { RecordStore } from './record-store.js'
import { Registry } from './registry.js'
import { Services } from './services.js'
import { Upgrades } from './upgrades.js'

const TICK_MS = 250

/** A running relay. */
export class Relay {
  /** What clients are given, for example `http://127.0.0.1:3340/`. */
  readonly url: string
  /** The TCP port that it listens on. */
  readonly httpPort: number
  /** The port of the Prometheus metrics, where they are served. */
  readonly metricsPort: number | undefined
  /** The UDP port on which STUN is answered, where it is. */
  readonly stunPort: number | undefined
  /** The second such port, where there is one. */
  readonly stunOtherPort: number | undefined
  /** The UDP port of QUIC Address Discovery, where it is served. */
  readonly qadPort: number | undefined
  readonly #services: Services
  readonly #options: ResolvedRelayOptions
  readonly #logger: RelayLogger
  readonly #metrics: MutableMetrics
  readonly #registry: Registry
  readonly #access: Access
  readonly #listener: Listener
  readonly #plainServers: readonly Server[]
  readonly #ticker: NodeJS.Timeout
  #draining: Promise<void> | undefined

  /** @internal {@link startRelay} makes relays. */
  constructor(parts: {
    options: ResolvedRelayOptions
    logger: RelayLogger
    metrics: MutableMetrics
    registry: Registry
    access: Access
    listener: Listener
    metricsServer: Server | undefined
    portalServer: Server | undefined
    records: RecordStore | undefined
    services: Services
  }) {
    const { options, listener, registry, records, metricsServer, portalServer } = parts
    this.#options = options
    this.#logger = parts.logger
    this.#metrics = parts.metrics
    this.#registry = registry
    this.#access = parts.access
    this.#listener = listener
    this.#services = parts.services
    this.stunPort = parts.services.stunPort
    this.stunOtherPort = parts.services.stunOtherPort
    this.qadPort = parts.services.qadPort
    this.#plainServers = [metricsServer, portalServer].filter((server) => server !== undefined)
    this.httpPort = listener.port
    const host = options.host.includes(':') ? `[${options.host}]` : options.host
    this.url = `${options.tls === undefined ? 'http' : 'https'}://${host}:${this.httpPort}/`
    const address = metricsServer?.address()
    this.metricsPort = typeof address === 'object' ? address?.port : undefined
    this.#ticker = setInterval(() => {
      const now = performance.now()
      for (const client of registry.clients()) client.tick(now)
      records?.expire()
      // A core that has failed is told by whoever uses it.
      parts.services.count().catch(() => undefined)
    }, TICK_MS)
  }

  /** The figures as they are now. */
  metrics(): RelayMetrics {
    return { ...this.#metrics }
  }

  /**
   * Reads the certificate and the lists of keys and tokens again, and closes clients that may no longer use the relay.
   *
   * @throws InvalidConfigError when one of the files can't be used; then what was read before stays.
   */
  async reload(): Promise<void> {
    await this.#access.reload()
    await this.#listener.reload()
    await this.#services.reload()
    for (const client of this.#registry.clients()) {
      if (!this.#access.allowsKey(client.key)) client.close(1008, 'not authorized')
    }
    this.#logger.info('read the configuration files again')
  }

  /**
   * Takes no new clients, tells those that are there to move, passes on their datagrams for `limits.drainMs` or until the last one
   * has gone, and closes. Each is told another moment to come back at, so that they do not all come at once. Idempotent.
   */
  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  /** Closes everything at once. Idempotent. */
  async close(): Promise<void> {
    this.#draining ??= Promise.resolve()
    clearInterval(this.#ticker)
    this.#metrics.draining = 1
    for (const client of this.#registry.clients()) client.terminate()
    this.#listener.destroy()
    for (const server of this.#plainServers) {
      server.close()
      server.closeAllConnections()
    }
    await this.#services.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #drain(): Promise<void> {
    const { drainMs } = this.#options.limits
    this.#metrics.draining = 1
    this.#logger.info('telling clients to move', { clients: this.#metrics.clients, drainMs })
    for (const client of this.#registry.clients()) {
      client.send(restartingFrame(Math.round(Math.random() * drainMs), drainMs))
    }
    const until = performance.now() + drainMs
    while (this.#metrics.clients > 0 && performance.now() < until) await sleep(Math.min(50, drainMs))
    for (const client of this.#registry.clients()) client.close(1012, 'the relay is stopping')
    if (this.#metrics.clients > 0) await sleep(100)
    await this.close()
  }
}

/**
 * Starts a relay for one machine, which speaks the iroh relay protocol: stock iroh endpoints and anypath peers can use it.
 *
 * It listens on loopback unless `host` says otherwise, and on nothing that was not asked for.
 *
 * @throws InvalidConfigError naming the option, AddressInUseError when the port is taken, TransportFailedError when it can't be
 * listened on.
 */
export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  const resolved = resolveRelayOptions(options)
  const logger = options.logger ?? silent
  const { limits, trustProxy } = resolved
  const auth = await RelayAuth.load(nodeCore())
  const access = await Access.load(resolved, (text) => auth.parseId(text))
  const metrics = createMetrics()
  const now = (): number => performance.now()
  const records = resolved.pkarr ? new RecordStore(limits, metrics, Date.now) : undefined
  const registry = new Registry(metrics, limits.maxConnectionsPerKey)
  const forwarding = new Forwarding(registry, metrics)
  const context = { auth, access, metrics, limits, trustProxy, records, now, logger, registry, forwarding }
  const http = new HttpService({ ...context, version: version() })
  const services = await Services.open(resolved, metrics)
  const upgrades = new Upgrades({ ...context, turnEnd: new TurnEnd(), headers: services.headers })
  const listener = await Listener.open(resolved, metrics, http.handle).catch(async (error: unknown) => {
    await services.close()
    throw error
  })
  try {
    listener.server.on('upgrade', upgrades.handle)
    const metricsServer = await openMetrics(resolved, metrics)
    const portalServer = await openPortal(resolved).catch((error: unknown) => {
      metricsServer?.close()
      throw error
    })
    return new Relay({
      options: resolved,
      logger,
      metrics,
      registry,
      access,
      listener,
      metricsServer,
      portalServer,
      records,
      services,
    })
  } catch (error) {
    listener.destroy()
    await services.close()
    throw error
  }
}

async function openMetrics(
  { metricsPort, metricsHost }: ResolvedRelayOptions,
  metrics: RelayMetrics,
): Promise<Server | undefined> {
  if (metricsPort === undefined) return undefined
  return openPlainServer(metricsHost, metricsPort, (request, response) => {
    if (pathOf(request) !== '/metrics') return reply(response, 404, 'the metrics are at /metrics\n')
    reply(response, 200, prometheusText(metrics), { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' })
  })
}

async function openPortal({ captivePortalPort, host }: ResolvedRelayOptions): Promise<Server | undefined> {
  if (captivePortalPort === undefined) return undefined
  return openPlainServer(host, captivePortalPort, (request, response) => {
    if (pathOf(request) === '/generate_204') answerCaptivePortalProbe(request, response)
    else reply(response, 404, 'not found\n')
  })
}

/** Beside the bundle as beside the sources, the package is one or two folders up. */
function version(): string {
  for (const path of ['../package.json', '../../package.json', '../../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        name?: string
        version?: string
      }
      if (found.name === 'anypath') return String(found.version)
    } catch {
      // It is not there.
    }
  }
  return 'unknown'
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
