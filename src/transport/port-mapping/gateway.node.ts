import dgram from 'node:dgram'
import type { Unusable } from './pcp-message.js'
import { NoMapping } from './protocol.js'

/** PCP (RFC 6887 section 19.1) and NAT-PMP (RFC 6886 section 1.1) share it. */
const PORT = 5351
/** How long after the first request each next one leaves, and the last time is the end: RFC 6886 section 3.1, cut short. */
const REPEAT_MS = [250, 750, 1750, 3750]
/** A router that sends more than this at a time is not worth listening to. */
const MAX_ANSWERS = 16

/** The time by which requests are repeated. Timers must not by themselves keep a process alive. */
export interface MappingClock {
  /** Milliseconds on a monotonic clock. */
  now(): number
  setTimeout(callback: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
}

export interface GatewayOptions {
  readonly host: string
  /** @default 5351 */
  readonly port?: number
  readonly clock: MappingClock
  /** Whether requests may come from this address of the machine. */
  readonly mayAskFrom: (localHost: string) => boolean
  /** Told of each request that leaves. */
  readonly sent: () => void
  /** Told of each packet that is of no use. */
  readonly dropped: (cause: Unusable) => void
}

/**
 * A router, asked by UDP from the address of this machine that leads to it.
 *
 * Each question has a socket of its own, connected to the router: the system drops packets from anywhere else, and tells at once that
 * nobody listens there.
 */
export class Gateway {
  readonly clock: MappingClock
  readonly #options: GatewayOptions

  constructor(options: GatewayOptions) {
    this.#options = options
    this.clock = options.clock
  }

  /**
   * Asks until there is an answer that `read` can use.
   *
   * @param build makes the request, given the address that it leaves from.
   * @throws NoMapping when none comes in time, or the router must not be asked from that address.
   * @throws the signal's reason when it fires.
   */
  async ask<Answer extends object>(
    build: (localHost: string) => Uint8Array,
    read: (packet: Uint8Array) => Answer | Unusable,
    signal: AbortSignal,
  ): Promise<Answer> {
    signal.throwIfAborted()
    const socket = dgram.createSocket('udp4')
    const timers: unknown[] = []
    let abort: () => void = () => {}
    try {
      await connect(socket, this.#options.port ?? PORT, this.#options.host)
      const { address } = socket.address()
      if (!this.#options.mayAskFrom(address)) throw new NoMapping(`no private address leads to ${this.#options.host}`)
      const request = build(address)
      return await new Promise<Answer>((resolve, reject) => {
        abort = () => reject(signal.reason)
        signal.addEventListener('abort', abort, { once: true })
        socket.on('error', (error: NodeJS.ErrnoException) => reject(new NoMapping(textOf(error))))
        socket.on('message', this.#reader(read, resolve, reject))
        this.#repeat(socket, request, timers, reject)
      })
    } finally {
      signal.removeEventListener('abort', abort)
      for (const timer of timers) this.clock.clearTimeout(timer)
      socket.removeAllListeners('message')
      // What is still on its way may fail after the end.
      socket.on('error', () => {})
      socket.close()
    }
  }

  #reader<Answer extends object>(
    read: (packet: Uint8Array) => Answer | Unusable,
    resolve: (answer: Answer) => void,
    reject: (error: NoMapping) => void,
  ): (packet: Uint8Array) => void {
    let left = MAX_ANSWERS
    return (packet) => {
      left -= 1
      if (left < 0) return reject(new NoMapping('the router floods'))
      const answer = read(packet)
      if (typeof answer === 'string') this.#options.dropped(answer)
      else resolve(answer)
    }
  }

  #repeat(socket: dgram.Socket, request: Uint8Array, timers: unknown[], reject: (error: NoMapping) => void): void {
    const send = () => {
      this.#options.sent()
      // A failure is an event of the socket as well.
      socket.send(request, (error) => error && reject(new NoMapping(textOf(error))))
    }
    send()
    REPEAT_MS.forEach((delayMs, i) => {
      const isLast = i === REPEAT_MS.length - 1
      const act = isLast ? () => reject(new NoMapping('the router does not answer')) : send
      timers.push(this.clock.setTimeout(act, delayMs))
    })
  }
}

async function connect(socket: dgram.Socket, port: number, host: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      // `connect` gives its callback the error as well, which the types do not know.
      socket.connect(port, host, ((error?: Error) => (error ? reject(error) : resolve())) as () => void)
    })
  } catch (thrown) {
    throw new NoMapping(textOf(thrown as NodeJS.ErrnoException))
  }
  socket.removeAllListeners('error')
}

function textOf(error: NodeJS.ErrnoException): string {
  return error.code === 'ECONNREFUSED' ? 'the router does not listen' : (error.code ?? error.message)
}
