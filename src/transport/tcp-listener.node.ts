import { createServer, type IncomingMessage, type Server, type ServerOptions, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { createError } from '../errors/index.js'
import { addressGroup } from './address-group.node.js'
import type { AcceptSession, SessionListener } from './transport.js'
import { MAX_MESSAGE_BYTES, SUBPROTOCOLS, WebSocketSession } from './web-socket-session.node.js'

/** Connections that have opened no session yet: of one address (IPv6: one /64), and of all. Beyond it the oldest is closed. */
const MAX_HALF_OPEN_PER_ADDRESS = 16
const MAX_HALF_OPEN = 256

/** Sessions of one address. */
const MAX_SESSIONS_PER_ADDRESS = 64

/** Requests are short: what is longer is no peer. */
const HTTP_OPTIONS: ServerOptions = { maxHeaderSize: 8192, connectionsCheckingInterval: 1000, noDelay: true }

/** What a machine without IPv6 says to its addresses. */
const NO_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT']

/** What a `TcpListener` needs. */
export interface TcpListenerOptions {
  readonly port: number
  /** @default '::', or '0.0.0.0' on a machine without IPv6 */
  readonly host?: string | undefined
  /** A certificate chain and its key, PEM; without them there is no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** The path of sessions that carry packets. */
  readonly path: string
  readonly maxSessions: number
  /** Origins whose pages may open sessions; `undefined`: all, and clients that are no pages. */
  readonly origins: readonly string[] | undefined
  /** What TLS and the request may take. */
  readonly handshakeTimeoutMs: number
}

/** Listens on a TCP port for sessions of WebTransport over WebSocket that carry packets. */
export class TcpListener implements SessionListener {
  readonly #options: TcpListenerOptions
  readonly #webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxFragments: 64,
    autoPong: false,
    clientTracking: false,
    handleProtocols: (offered) => SUBPROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
  })
  /** All connections, the oldest first: where they are from, and whether they have opened a session. */
  readonly #sockets = new Map<string, { readonly socket: Socket; readonly group: string; hasSession: boolean }>()
  #server: Server | undefined

  constructor(options: TcpListenerOptions) {
    this.#options = options
    this.#webSockets.on('wsClientError', (_, socket) => socket.destroy())
  }

  /** Where it listens; `undefined` while it does not. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    const address = this.#server?.address() as AddressInfo | null | undefined
    return address ? { host: address.address, port: address.port } : undefined
  }

  async start(accept: AcceptSession): Promise<void> {
    const { host, tls, handshakeTimeoutMs } = this.#options
    const options = { ...HTTP_OPTIONS, headersTimeout: handshakeTimeoutMs, requestTimeout: handshakeTimeoutMs }
    const server = tls
      ? this.#secure({ ...options, cert: tls.cert, key: tls.key, handshakeTimeout: handshakeTimeoutMs })
      : createServer(options)
    this.#server = server
    server.on('connection', (socket: Socket) => this.#count(socket))
    server.on('clientError', (_, socket) => socket.destroy())
    server.on('tlsClientError', (_, socket: Socket) => socket.destroy())
    server.on('request', (_, response) => response.writeHead(404, { connection: 'close' }).end())
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head, accept))
    const listening = this.#listen(server, host ?? '::')
    try {
      await (host === undefined ? listening.catch((thrown) => this.#listenByIpv4(server, thrown)) : listening)
    } catch (thrown) {
      const cause = thrown as NodeJS.ErrnoException
      const code = cause.code === 'EADDRINUSE' ? 'AddressInUse' : 'TransportFailed'
      throw createError(code, `can't listen on TCP port ${this.#options.port}: ${cause.message}`, { cause })
    }
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    for (const { socket, hasSession } of this.#sockets.values()) if (!hasSession) socket.destroy()
    // Those with a session say farewell, and are cut when they take too long for it.
    const cut = setTimeout(() => {
      for (const { socket } of this.#sockets.values()) socket.destroy()
    }, 1000)
    await closed
    clearTimeout(cut)
  }

  #secure(options: object): Server {
    try {
      return createTlsServer(options)
    } catch (cause) {
      // What was given must not be shown: it has a key.
      throw createError('InvalidConfig', 'webTransport.tcp: cert and key can not be used', { cause })
    }
  }

  /** Listens where there is no IPv6; fails as before for any other reason. */
  #listenByIpv4(server: Server, failure: NodeJS.ErrnoException): Promise<void> {
    if (!NO_IPV6.includes(failure.code ?? '')) throw failure
    return this.#listen(server, '0.0.0.0')
  }

  #listen(server: Server, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#options.port, host, () => {
        server.off('error', reject)
        server.on('error', () => undefined)
        resolve()
      })
    })
  }

  /** Whoever is slow makes room for others, and first for those of the same address. */
  #count(socket: Socket): void {
    const group = addressGroup(socket.remoteAddress)
    const waiting = [...this.#sockets.values()].filter(({ hasSession, socket }) => !hasSession && !socket.destroyed)
    const near = waiting.filter((other) => other.group === group)
    if (near.length >= MAX_HALF_OPEN_PER_ADDRESS) near[0]?.socket.destroy()
    else if (waiting.length >= MAX_HALF_OPEN) waiting[0]?.socket.destroy()
    const key = nameOf(socket)
    this.#sockets.set(key, { socket, group, hasSession: false })
    const deadline = setTimeout(() => {
      if (!this.#sockets.get(key)?.hasSession) socket.destroy()
    }, this.#options.handshakeTimeoutMs)
    socket.on('error', () => undefined)
    socket.once('close', () => {
      clearTimeout(deadline)
      if (this.#sockets.get(key)?.socket === socket) this.#sockets.delete(key)
    })
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, accept: AcceptSession): void {
    socket.on('error', () => undefined)
    const status = this.#refusal(request)
    if (status !== undefined) {
      socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      socket.once('finish', () => socket.destroy())
      return
    }
    const connection = this.#sockets.get(nameOf(request.socket))
    if (connection) connection.hasSession = true
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const { remoteAddress: host = '', remotePort: port = 0 } = request.socket
      accept(
        { host: host.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*/, ''), port },
        (events) => new WebSocketSession(webSocket, events),
      )
    })
  }

  /** The status of who is not admitted. */
  #refusal({ url = '', headers, socket }: IncomingMessage): number | undefined {
    const { path, origins, maxSessions } = this.#options
    // Clients of the draft's implementation begin the path with two slashes.
    if (url.replace(/^\/+/, '/') !== path) return 404
    const offered = String(headers['sec-websocket-protocol'] ?? '').split(',')
    if (!offered.some((name) => SUBPROTOCOLS.includes(name.trim()))) return 400
    if (origins !== undefined && !origins.includes(headers.origin ?? '')) return 403
    const sessions = [...this.#sockets.values()].filter(({ hasSession }) => hasSession)
    if (sessions.length >= maxSessions) return 503
    const group = addressGroup(socket.remoteAddress)
    return sessions.filter((other) => other.group === group).length >= MAX_SESSIONS_PER_ADDRESS ? 429 : undefined
  }
}

/** By which a connection is known below and above TLS. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
