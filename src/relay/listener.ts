import { readFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createError, InvalidConfigError } from '../errors/index.js'
import { AddressCounter, addressGroup } from './addresses.js'
import type { MutableMetrics } from './metrics.js'
import type { ResolvedRelayOptions } from './options.js'

/** Requests are short: what is longer is no client of ours. */
const HTTP_OPTIONS: ServerOptions = {
  maxHeaderSize: 8_192,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  noDelay: true,
}

/** The relay's TCP port, with or without TLS. Each connection is counted by address, and closed at once above the limit. */
export class Listener {
  readonly server: Server | TlsServer
  readonly #tls: ResolvedRelayOptions['tls']
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server | TlsServer, tls: ResolvedRelayOptions['tls']) {
    this.server = server
    this.#tls = tls
  }

  /** @throws InvalidConfigError for a certificate that can't be used, AddressInUseError and TransportFailedError as the system says. */
  static async open(
    options: ResolvedRelayOptions,
    metrics: MutableMetrics,
    onRequest: RequestListener,
  ): Promise<Listener> {
    const { tls, limits } = options
    const timeouts = { headersTimeout: limits.handshakeTimeoutMs, requestTimeout: limits.handshakeTimeoutMs }
    const server =
      tls === undefined
        ? createServer({ ...HTTP_OPTIONS, ...timeouts }, onRequest)
        : createTlsServer(
            {
              ...HTTP_OPTIONS,
              ...timeouts,
              handshakeTimeout: limits.handshakeTimeoutMs,
              ...(await readCertificate(tls)),
            },
            onRequest,
          )
    const listener = new Listener(server, tls)
    const counter = new AddressCounter(limits.maxConnectionsPerAddress)
    server.on('connection', (socket: Socket) => listener.#count(socket, counter, options, metrics))
    server.on('clientError', (_, socket) => socket.destroy())
    server.on('tlsClientError', (_, socket: Socket) => socket.destroy())
    await listen(server, options.port, options.host)
    return listener
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** Reads the certificate again, for connections to come. @throws InvalidConfigError, and the old one stays. */
  async reload(): Promise<void> {
    if (this.#tls !== undefined) (this.server as TlsServer).setSecureContext(await readCertificate(this.#tls))
  }

  /** Takes no new connections. */
  stop(): void {
    this.server.close()
  }

  /** Cuts what is still open. */
  destroy(): void {
    this.server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Behind a proxy all connections have one address: there the limit holds for what the proxy forwards, at the upgrade. */
  #count(
    socket: Socket,
    counter: AddressCounter,
    { trustProxy, limits }: ResolvedRelayOptions,
    metrics: MutableMetrics,
  ): void {
    const address = addressGroup(socket.remoteAddress)
    if (this.#sockets.size >= limits.maxClients + limits.maxHandshakes || (!trustProxy && !counter.add(address))) {
      metrics.refusedLimit++
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    metrics.connections = this.#sockets.size
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      metrics.connections = this.#sockets.size
      if (!trustProxy) counter.remove(address)
    })
  }
}

/** A plain server on a port of its own, for metrics and captive portal probes. */
export async function openPlainServer(host: string, port: number, onRequest: RequestListener): Promise<Server> {
  const server = createServer({ ...HTTP_OPTIONS, headersTimeout: 10_000, requestTimeout: 10_000 }, onRequest)
  server.maxConnections = 256
  server.on('clientError', (_, socket) => socket.destroy())
  await listen(server, port, host)
  return server
}

async function readCertificate({
  certFile,
  keyFile,
}: {
  certFile: string
  keyFile: string
}): Promise<{ cert: Buffer; key: Buffer }> {
  const read = (field: string, file: string): Promise<Buffer> =>
    readFile(file).catch((cause: Error) => {
      throw createError('InvalidConfig', `${field}: ${cause.message}`, { cause })
    })
  const files = { cert: await read('tlsCertFile', certFile), key: await read('tlsKeyFile', keyFile) }
  try {
    const { createSecureContext } = await import('node:tls')
    createSecureContext(files)
  } catch (cause) {
    throw new InvalidConfigError(`tlsCertFile and tlsKeyFile: ${(cause as Error).message}`, { cause })
  }
  return files
}

function listen(server: Server | TlsServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'AddressInUse' : 'TransportFailed'
      reject(createError(code, `can't listen on ${host} port ${port}: ${cause.message}`, { cause }))
    })
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      server.on('error', () => undefined)
      resolve()
    })
  })
}
