/** What relays of this library say beside their WebSocket, in headers of the answer that opens it. */

/** The UDP port on the relay's address at which it answers STUN (RFC 8489). */
export const STUN_PORT_HEADER = 'x-anypath-stun'

/** A UDP service on a relay's own address. */
export interface RelayService {
  readonly host: string
  readonly port: number
}

/** The STUN services that relays told of, by the URL that their WebSocket was opened at. */
export class RelayStunServices {
  readonly #byUrl = new Map<string, RelayService>()

  /**
   * Takes what a relay told, in place of what it told before.
   *
   * @param url where its WebSocket is.
   * @param address the address that it was reached at.
   * @param told the header's value, if there was one; what is no port is passed over.
   */
  note(url: string, address: string | undefined, told: string | readonly string[] | undefined): void {
    this.#byUrl.delete(url)
    const port = typeof told === 'string' && /^\d{1,5}$/.test(told) ? Number(told) : 0
    if (address === undefined || port < 1 || port > 65_535) return
    this.#byUrl.set(url, { host: address.replace(/^::ffff:(?=\d+\.)/i, ''), port })
  }

  /** Those of the relays whose WebSockets are at these URLs. */
  of(urls: readonly string[]): RelayService[] {
    return urls.flatMap((url) => this.#byUrl.get(url) ?? [])
  }
}
