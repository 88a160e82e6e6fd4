/** What relays of this library say beside their WebSocket, in headers of the answer that opens it. */

/** The UDP port on the relay's address at which it answers STUN (RFC 8489). */
export const STUN_PORT_HEADER = 'x-anypath-stun'

/** The UDP port on the relay's address at which it serves QUIC Address Discovery. */
export const QAD_PORT_HEADER = 'x-anypath-qad'

/** Where iroh's relays serve it, who tell no port. */
const STOCK_QAD_PORT = 7842

/** A UDP service on a relay's own address. */
export interface RelayService {
  readonly host: string
  readonly port: number
}

interface Told {
  readonly address: string
  readonly stunPort: number | undefined
  readonly qadPort: number | undefined
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** The services that relays told of, by the URL that their WebSocket was opened at. */
export class RelayServices {
  readonly #byUrl = new Map<string, Told>()

  /**
   * Takes what a relay told, in place of what it told before.
   *
   * @param url where its WebSocket is.
   * @param address the address that it was reached at.
   * @param headers with names in lower case; what is no port is passed over.
   */
  note(url: string, address: string | undefined, headers: Headers): void {
    this.#byUrl.delete(url)
    if (address === undefined) return
    const [stunPort, qadPort] = [portOf(headers[STUN_PORT_HEADER]), portOf(headers[QAD_PORT_HEADER])]
    // A relay with a certificate that tells of nothing may be iroh's.
    const stock = url.startsWith('wss:') && stunPort === undefined ? STOCK_QAD_PORT : undefined
    this.#byUrl.set(url, {
      address: address.replace(/^::ffff:(?=\d+\.)/i, ''),
      stunPort,
      qadPort: qadPort ?? stock,
    })
  }

  /** The STUN service of the relay whose WebSocket is at that URL. */
  stun(url: string): RelayService | undefined {
    const { address: host, stunPort: port } = this.#byUrl.get(url) ?? {}
    return host === undefined || port === undefined ? undefined : { host, port }
  }

  /** Its address-discovery service. */
  discovery(url: string): RelayService | undefined {
    const { address: host, qadPort: port } = this.#byUrl.get(url) ?? {}
    return host === undefined || port === undefined ? undefined : { host, port }
  }
}

function portOf(told: Headers[string]): number | undefined {
  const port = typeof told === 'string' && /^\d{1,5}$/.test(told) ? Number(told) : 0
  return port < 1 || port > 65_535 ? undefined : port
}
