import type { IncomingMessage } from 'node:http'
import { addressGroup } from '../transport/address-group.node.js'

export { addressGroup }

/** The address that a request comes from; behind a trusted proxy the one that the proxy saw, which it put last. */
export function clientAddress(request: IncomingMessage, trustProxy: boolean): string {
  const forwarded = trustProxy ? request.headers['x-forwarded-for'] : undefined
  const last = String(forwarded ?? '')
    .split(',')
    .at(-1)
    ?.trim()
  return addressGroup(last || request.socket.remoteAddress)
}

/** Counts by address, with an upper limit for each. */
export class AddressCounter {
  readonly #counts = new Map<string, number>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** Counts one more, unless the address has as many as it may. */
  add(address: string): boolean {
    const count = this.#counts.get(address) ?? 0
    if (count >= this.#max) return false
    this.#counts.set(address, count + 1)
    return true
  }

  remove(address: string): void {
    const count = (this.#counts.get(address) ?? 0) - 1
    if (count > 0) this.#counts.set(address, count)
    else this.#counts.delete(address)
  }
}
