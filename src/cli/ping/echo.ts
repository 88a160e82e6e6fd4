/**
 * The protocol of `anypath ping`: datagrams of 8 to 64 bytes, sent back as they came.
 *
 * Every command that listens serves it, so that a ticket can always be tried out.
 */
import type { Connection } from '../../entry/node.js'
import { watchClosed } from '../peer.js'

/** The ALPN of the protocol. */
export const pingAlpn = 'anypath/ping/1'
const minBytes = 8
const maxBytes = 64

/** Sends back each ping until the connection ends. Never rejects. */
export const servePing = async (connection: Connection): Promise<void> => {
  watchClosed(connection)
  try {
    for await (const ping of connection.datagrams.readable) {
      if (ping.length >= minBytes && ping.length <= maxBytes) await connection.datagrams.send(ping)
    }
  } catch {
    connection.close()
  }
}

/** Sends pings and matches the answers. */
export class Pinger {
  readonly #connection: Connection
  readonly #waiting = new Map<number, (rttMs: number) => void>()
  readonly #sent = new Map<number, number>()
  readonly #reading: Promise<void>
  #next = 0

  constructor(connection: Connection) {
    this.#connection = connection
    this.#reading = this.#read()
    this.#reading.catch(() => undefined)
  }

  /** Rejects with the connection's error when it ends. */
  get ended(): Promise<void> {
    return this.#reading
  }

  /** Sends one ping; resolves with the round-trip time in milliseconds, or `undefined` when none came in time. */
  async ping(timeoutMs: number): Promise<number | undefined> {
    const sequence = this.#next++
    const bytes = new Uint8Array(minBytes)
    new DataView(bytes.buffer).setUint32(0, sequence)
    let timer: NodeJS.Timeout | undefined
    const answer = new Promise<number | undefined>((resolve) => {
      this.#waiting.set(sequence, resolve)
      timer = setTimeout(() => resolve(undefined), timeoutMs)
    })
    try {
      this.#sent.set(sequence, performance.now())
      await this.#connection.datagrams.send(bytes)
      return await answer
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(sequence)
      this.#sent.delete(sequence)
    }
  }

  async #read(): Promise<void> {
    for await (const answer of this.#connection.datagrams.readable) {
      const now = performance.now()
      if (answer.length !== minBytes) continue
      const sequence = new DataView(answer.buffer, answer.byteOffset).getUint32(0)
      this.#waiting.get(sequence)?.(now - (this.#sent.get(sequence) ?? now))
    }
    await this.#connection.closed
  }
}
