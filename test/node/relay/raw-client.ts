import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import type { Socket } from 'node:net'
import { blake3 } from '@noble/hashes/blake3.js'
import { WebSocket } from 'ws'

const CONTEXT = new TextEncoder().encode('iroh-relay handshake v1 challenge signature')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

export class KeyPair {
  readonly secret: KeyObject
  readonly key: Buffer

  constructor(seed: Uint8Array = randomBytes(32)) {
    this.secret = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
    this.key = createPublicKey(this.secret).export({ format: 'der', type: 'spki' }).subarray(-32)
  }

  get id(): string {
    return this.key.toString('hex')
  }

  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.secret)
  }

  /** The message that answers a challenge. */
  clientAuth(challenge: Uint8Array): Buffer {
    const signature = this.sign(blake3(challenge, { context: CONTEXT }))
    return Buffer.concat([Buffer.from([1]), this.key, Buffer.from([64]), signature])
  }
}

export interface Closed {
  readonly code: number
  readonly reason: string
}

/** A client of the relay protocol, written with `ws` alone: it sends whatever a test wants. */
export class RawClient {
  readonly socket: WebSocket
  readonly pair: KeyPair
  /** Messages that came and were not taken yet. */
  readonly messages: Buffer[] = []
  readonly closed: Promise<Closed>
  #wake: () => void = () => undefined
  #end: Closed | undefined
  #onDatagram: ((message: Buffer) => void) | undefined

  constructor(
    url: string,
    {
      pair = new KeyPair(),
      protocols = ['iroh-relay-v2', 'iroh-relay-v1'],
      query = '',
      headers = {},
      socket,
    }: {
      pair?: KeyPair
      protocols?: string[]
      query?: string
      headers?: Record<string, string>
      /** A connection that stands already. */
      socket?: Socket
    } = {},
  ) {
    this.pair = pair
    this.socket = new WebSocket(`${url.replace(/^http/, 'ws')}relay${query}`, protocols, {
      headers,
      perMessageDeflate: false,
      rejectUnauthorized: false,
      ...(socket === undefined ? {} : { createConnection: () => socket }),
    })
    this.socket.on('message', (data: Buffer) => {
      if (this.#onDatagram !== undefined && (data[0] === 6 || data[0] === 7)) return this.#onDatagram(data)
      this.messages.push(data)
      this.#wake()
    })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.#end = { code, reason: reason.toString() }
        resolve(this.#end)
        this.#wake()
      })
    })
    this.socket.on('error', () => undefined)
  }

  /** Connects and proves its key. */
  static async connect(url: string, options: ConstructorParameters<typeof RawClient>[1] = {}): Promise<RawClient> {
    const client = new RawClient(url, options)
    const challenge = await client.next()
    if (challenge[0] !== 0) throw new Error(`no challenge but ${challenge.toString('hex')}`)
    client.socket.send(client.pair.clientAuth(challenge.subarray(1)))
    const confirmation = await client.next()
    if (confirmation[0] !== 2) throw new Error(`not confirmed but ${confirmation.toString('hex')}`)
    return client
  }

  /** The next message; rejects when the connection closes or after a while. */
  async next(timeoutMs = 5_000): Promise<Buffer> {
    const until = Date.now() + timeoutMs
    for (;;) {
      const message = this.messages.shift()
      if (message !== undefined) return message
      if (this.#end !== undefined) throw new Error(`closed: ${this.#end.code} ${this.#end.reason}`)
      const left = until - Date.now()
      if (left <= 0) throw new Error('no message came')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** The next message of this type; others are skipped. */
  async nextOf(type: number, timeoutMs = 5_000): Promise<Buffer> {
    for (;;) {
      const message = await this.next(timeoutMs)
      if (message[0] === type) return message
    }
  }

  /** Has datagram messages delivered by callback instead of kept. */
  onDatagram(callback: (message: Buffer) => void): void {
    this.#onDatagram = callback
  }

  /** Sends one datagram message to a key. */
  datagram(to: Uint8Array, content: Uint8Array, ecn = 0): void {
    this.socket.send(Buffer.concat([Buffer.from([4]), to, Buffer.from([ecn]), content]))
  }

  close(): void {
    this.socket.close()
  }
}

/** Waits until something holds. */
export async function until(holds: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!holds()) {
    if (Date.now() > end) throw new Error(`it never came to this: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
