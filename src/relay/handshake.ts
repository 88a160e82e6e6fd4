import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { WebSocket } from 'ws'
import type { RelayAuth } from '../core/relay-auth.js'
import type { Access } from './access.js'
import { CHALLENGE_BYTES, challengeFrame, confirmFrame, denyFrame } from './frames.js'
import type { MutableMetrics } from './metrics.js'

export interface HandshakeContext {
  readonly auth: RelayAuth
  readonly access: Access
  readonly metrics: MutableMetrics
}

/** What a client may prove its key with instead of answering a challenge: base64url of key, signature and suffix. */
const KEY_MATERIAL_HEADER = 'x-iroh-relay-client-auth-v1'
const KEY_MATERIAL_LABEL = 'iroh-relay handshake v1'
const KEY_MATERIAL_BYTES = 32

/** Time for a denial to be read before the socket is cut. */
const DENIAL_GRACE_MS = 1_000

/**
 * Has the other side prove its key, and calls back once with it: at once where it signed this TLS connection's keying material,
 * otherwise when it has answered a challenge of its own. Whoever does not is told why, where the protocol has words for it, and closed.
 */
export class Handshake {
  readonly #webSocket: WebSocket
  readonly #socket: Socket
  readonly #request: IncomingMessage
  readonly #context: HandshakeContext
  readonly #accept: (key: Buffer) => void
  readonly #challenge = randomBytes(CHALLENGE_BYTES)
  #over = false

  constructor(
    webSocket: WebSocket,
    socket: Socket,
    request: IncomingMessage,
    context: HandshakeContext,
    accept: (key: Buffer) => void,
  ) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.#request = request
    this.#context = context
    this.#accept = accept
  }

  start(): void {
    const { access } = this.#context
    this.#webSocket.on('error', this.#onError)
    if (!access.allowsRequest(this.#request)) return this.#denyAccess()
    const key = this.#keyByMaterial()
    if (key !== undefined) return this.#authorize(key)
    this.#webSocket.on('message', this.#onMessage)
    this.#webSocket.on('ping', this.#onPing)
    this.#webSocket.send(challengeFrame(this.#challenge))
  }

  readonly #onMessage = (message: Buffer, isBinary: boolean): void => {
    if (this.#over) return
    this.#stopListening()
    const found = isBinary ? this.#context.auth.verifyClientAuth(this.#challenge, message) : 'malformed'
    if (typeof found !== 'string') return this.#authorize(Buffer.from(found))
    this.#context.metrics.refusedKey++
    if (found === 'signature') this.#deny('signature invalid')
    else this.#end(1002, 'not an answer to the challenge')
  }

  readonly #onError = (): void => {
    if (!this.#over) this.#end(1002, 'not a frame of the WebSocket protocol')
  }

  /** A client that has not proven its key has no need of pings. */
  readonly #onPing = (): void => {
    this.#stopListening()
    this.#end(1002, 'not an answer to the challenge')
  }

  #authorize(key: Buffer): void {
    if (!this.#context.access.allowsKey(key)) return this.#denyAccess()
    this.#over = true
    this.#webSocket.send(confirmFrame())
    this.#accept(key)
  }

  #denyAccess(): void {
    this.#context.metrics.refusedAccess++
    this.#deny('not authorized')
  }

  #deny(reason: string): void {
    this.#webSocket.send(denyFrame(reason))
    this.#end(1008, reason)
  }

  #end(code: number, reason: string): void {
    this.#over = true
    this.#webSocket.close(code, reason)
    setTimeout(() => this.#webSocket.terminate(), DENIAL_GRACE_MS).unref()
  }

  /** Undefined when there is no such proof, or when a proxy between here and the client ends TLS. */
  #keyByMaterial(): Buffer | undefined {
    const header = this.#request.headers[KEY_MATERIAL_HEADER]
    if (typeof header !== 'string' || !(this.#socket instanceof TLSSocket)) return undefined
    const authentication = Buffer.from(header, 'base64url')
    const claimed = this.#context.auth.claimedKey(authentication)
    if (typeof claimed === 'string') return undefined
    const material = this.#socket.exportKeyingMaterial(KEY_MATERIAL_BYTES, KEY_MATERIAL_LABEL, Buffer.from(claimed))
    const proven = this.#context.auth.verifyKeyMaterial(authentication, material)
    return typeof proven === 'string' ? undefined : Buffer.from(proven)
  }

  #stopListening(): void {
    this.#webSocket.off('message', this.#onMessage)
    this.#webSocket.off('ping', this.#onPing)
  }
}
