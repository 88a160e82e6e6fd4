import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { AddressCounter, clientAddress } from './addresses.js'
import { Client, type ClientContext } from './client.js'
import { MAX_MESSAGE_BYTES, SUBPROTOCOLS } from './frames.js'
import { Handshake, type HandshakeContext } from './handshake.js'
import { pathOf } from './http.js'
import { type RelayLogger, shortId } from './log.js'

export interface UpgradeContext extends HandshakeContext, ClientContext {
  readonly trustProxy: boolean
  readonly logger: RelayLogger
  /** What the answer that opens a WebSocket tells besides. */
  readonly headers: Readonly<Record<string, string>>
}

/** Turns requests for `/relay` into WebSockets, and those that prove their key within their time into clients. */
export class Upgrades {
  readonly #context: UpgradeContext
  readonly #webSockets: WebSocketServer
  readonly #handshakesByAddress: AddressCounter
  readonly #forwardedByAddress: AddressCounter

  constructor(context: UpgradeContext) {
    this.#context = context
    this.#handshakesByAddress = new AddressCounter(context.limits.maxHandshakesPerAddress)
    this.#forwardedByAddress = new AddressCounter(context.limits.maxConnectionsPerAddress)
    this.#webSockets = new WebSocketServer({
      noServer: true,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      maxFragments: 64,
      maxBufferedChunks: 4_096,
      autoPong: false,
      clientTracking: false,
      handleProtocols: (offered) => SUBPROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
    })
    this.#webSockets.on('headers', (lines) => {
      for (const [name, value] of Object.entries(context.headers)) lines.push(`${name}: ${value}`)
    })
    this.#webSockets.on('wsClientError', (_, socket) => socket.destroy())
  }

  readonly handle = (request: IncomingMessage, duplex: Duplex, head: Buffer): void => {
    // Node types it for any server; this one has TCP or TLS sockets.
    const socket = duplex as Socket
    socket.on('error', () => undefined)
    const { metrics, limits, trustProxy } = this.#context
    if (pathOf(request) !== '/relay') return refuse(socket, 404, 'not found')
    const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(',')
    if (!offered.some((name) => SUBPROTOCOLS.some((known) => known === name.trim()))) {
      return refuse(socket, 400, `the WebSocket subprotocol has to be one of ${SUBPROTOCOLS.join(', ')}`)
    }
    if (metrics.draining === 1) return refuse(socket, 503, 'the relay is stopping')
    const address = clientAddress(request, trustProxy)
    const full = metrics.clients >= limits.maxClients || metrics.handshakes >= limits.maxHandshakes
    if (full || !this.#take(socket, address)) {
      metrics.refusedLimit++
      return refuse(socket, full ? 503 : 429, 'too many connections')
    }
    const finish = this.#startHandshake(socket, address)
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) =>
      this.#begin(webSocket, socket, request, finish),
    )
  }

  /** Counts a connection where its proxy hides it from the listener's count, and its handshake. */
  #take(socket: Socket, address: string): boolean {
    if (this.#context.trustProxy) {
      if (!this.#forwardedByAddress.add(address)) return false
      socket.once('close', () => this.#forwardedByAddress.remove(address))
    }
    return this.#handshakesByAddress.add(address)
  }

  /** Gives what ends the handshake's count and deadline: the key is proven, or the socket is closed. */
  #startHandshake(socket: Socket, address: string): () => void {
    const { metrics, limits } = this.#context
    let pending = true
    metrics.handshakes++
    const deadline = setTimeout(() => {
      metrics.handshakeTimeouts++
      socket.destroy()
    }, limits.handshakeTimeoutMs)
    const finish = (): void => {
      if (!pending) return
      pending = false
      metrics.handshakes--
      clearTimeout(deadline)
      this.#handshakesByAddress.remove(address)
    }
    socket.once('close', finish)
    return finish
  }

  #begin(webSocket: WebSocket, socket: Socket, request: IncomingMessage, finish: () => void): void {
    const accept = (key: Buffer): void => {
      finish()
      const client = new Client(key, webSocket, socket, this.#context)
      this.#context.logger.debug('a client connected', { id: shortId(client.key), protocol: webSocket.protocol })
    }
    new Handshake(webSocket, socket, request, this.#context, accept).start()
  }
}

function refuse(socket: Socket, status: number, reason: string): void {
  const body = `${reason}\n`
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Access-Control-Allow-Origin: *',
    'Connection: close',
    'Content-Type: text/plain',
    `Content-Length: ${body.length}`,
    ...(status === 503 ? ['Retry-After: 5'] : []),
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.once('finish', () => socket.destroy())
}
