import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { createError } from '../errors/index.js'
import type { DiagnosedAddress } from './report.js'
import { bindingRequest, readAnswer, type StunAnswer, TRANSACTION_BYTES, transactionOf } from './stun.js'

/** The initial retransmission timeout (RFC 8489 section 6.2.1). */
const RTO_MS = 500

/** How much was sent, and what came back. */
export interface StunCounts {
  sent: number
  answered: number
  /** Nobody was asked that, or not there. */
  forged: number
  /** No answer to a Binding request. */
  malformed: number
}

/** What came back of a request. */
export interface Heard extends StunAnswer {
  /** Absent when the request had to be sent again: which one was answered can't be told. */
  readonly rttMs: number | undefined
  readonly source: DiagnosedAddress
}

export interface AskOptions {
  /** The parts of its address that the server should answer from others of. @default 0 */
  readonly change?: number
  /** From where the answer is taken. @default from where the request goes */
  readonly from?: readonly DiagnosedAddress[]
  /** How often the request is sent at most: after 0, 0.5, 1.5 and 3.5 s. @default 3 */
  readonly transmissions?: number
}

interface Waiting {
  readonly from: readonly DiagnosedAddress[]
  readonly heard: (answer: StunAnswer, source: DiagnosedAddress) => void
}

/** A UDP socket of its own that asks STUN servers: what it sends opens no filter, and makes no mapping, for anything else. */
export class StunSocket {
  readonly localPort: number
  readonly #socket: dgram.Socket
  readonly #counts: StunCounts
  readonly #waiting = new Map<string, Waiting>()
  /** Requests that were answered: their answers come again when they were sent again. */
  readonly #answered = new Set<string>()
  readonly #ends = new Set<() => void>()
  #isClosed = false
  /** Gets the transaction of a request that came, which no server sends. */
  onRequest: (transaction: string) => void = () => {}

  private constructor(socket: dgram.Socket, counts: StunCounts) {
    this.#socket = socket
    this.#counts = counts
    this.localPort = socket.address().port
    socket.on('message', (data, source) => this.#receive(data, { host: source.address, port: source.port }))
    // What it tells of is one packet's fate; that no answer comes says the same.
    socket.on('error', () => {})
  }

  /** @throws TransportFailedError when the system gives none. */
  static async open(host: string, counts: StunCounts): Promise<StunSocket> {
    const socket = dgram.createSocket(host.includes(':') ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })
    try {
      await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(0, host, resolve))
    } catch (cause) {
      socket.close()
      throw createError('TransportFailed', `a UDP socket on ${host} can't be opened: ${(cause as Error).message}`, {
        cause,
      })
    }
    socket.removeAllListeners('error')
    return new StunSocket(socket, counts)
  }

  /** Asks a server; `undefined` when no answer comes, or the socket is closed. Never rejects. */
  async ask(server: DiagnosedAddress, options: AskOptions = {}): Promise<Heard | undefined> {
    if (this.#isClosed) return undefined
    const { change = 0, from = [server], transmissions = 3 } = options
    const request = bindingRequest(randomBytes(TRANSACTION_BYTES), { change })
    const transaction = transactionOf(request)
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      let sent = 0
      let sentAt = 0
      const finish = (heard?: Heard): void => {
        clearTimeout(timer)
        this.#ends.delete(finish)
        this.#waiting.delete(transaction)
        resolve(heard)
      }
      const transmit = (): void => {
        if (sent === transmissions) return finish()
        sent += 1
        sentAt = performance.now()
        this.send(request, server)
        timer = setTimeout(transmit, RTO_MS * (sent === transmissions ? 1 : 2 ** (sent - 1)))
      }
      this.#ends.add(finish)
      this.#waiting.set(transaction, {
        from,
        heard: (answer, source) =>
          finish({ ...answer, source, rttMs: sent === 1 ? performance.now() - sentAt : undefined }),
      })
      transmit()
    })
  }

  /** Whether an answer to what another socket asks arrives here in time. */
  expect(transaction: string, from: DiagnosedAddress, withinMs: number): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false)
    return new Promise((resolve) => {
      const finish = (heard: boolean): void => {
        clearTimeout(timer)
        this.#ends.delete(end)
        this.#waiting.delete(transaction)
        resolve(heard)
      }
      const end = (): void => finish(false)
      const timer = setTimeout(end, withinMs)
      this.#ends.add(end)
      this.#waiting.set(transaction, { from: [from], heard: () => finish(true) })
    })
  }

  /** Does nothing once the socket is closed. */
  send(message: Uint8Array, { host, port }: DiagnosedAddress): void {
    if (this.#isClosed) return
    this.#counts.sent += 1
    try {
      this.#socket.send(message, port, host, () => {})
    } catch {
      // An address that can't be sent to gives no answer, as one that nobody is at.
    }
  }

  /** Ends every request without an answer. Idempotent. */
  close(): void {
    this.#isClosed = true
    for (const end of [...this.#ends]) end()
    this.#waiting.clear()
    try {
      this.#socket.close()
    } catch {
      // It is closed already.
    }
  }

  #receive(data: Uint8Array, source: DiagnosedAddress): void {
    const answer = readAnswer(data)
    if (answer === undefined) {
      if (data.length >= 20 && data[0] === 0 && data[1] === 1) this.onRequest(transactionOf(data))
      else this.#counts.malformed += 1
      return
    }
    const { transaction } = answer
    const waiting = this.#waiting.get(transaction)
    const isOurs = waiting?.from.some(({ host, port }) => host === source.host && port === source.port) === true
    if (!isOurs) {
      if (!this.#answered.has(transaction)) this.#counts.forged += 1
      return
    }
    this.#counts.answered += 1
    this.#answered.add(transaction)
    waiting?.heard(answer, source)
  }
}
