/** What relays of this library say beside their WebSocket, in headers of the answer that opens it. */

/** The UDP ports on the relay's address at which it answers STUN (RFC 8489), one or two. */
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
  readonly stunPorts: readonly number[]
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
    const stunPorts = portsOf(headers[STUN_PORT_HEADER])
    const [qadPort] = portsOf(headers[QAD_PORT_HEADER])
    // A relay with a certificate that tells of nothing may be iroh's.
    const stock = url.startsWith('wss:') && stunPorts.length === 0 ? STOCK_QAD_PORT : undefined
    this.#byUrl.set(url, {
      address: address.replace(/^::ffff:(?=\d+\.)/i, ''),
      stunPorts,
      qadPort: qadPort ?? stock,
    })
  }

  /** The STUN services of the relay whose WebSocket is at that URL. */
  stun(url: string): RelayService[] {
    const { address: host = '', stunPorts = [] } = this.#byUrl.get(url) ?? {}
    return stunPorts.map((port) => ({ host, port }))
  }

  /** Its address-discovery service. */
  discovery(url: string): RelayService | undefined {
    const { address: host, qadPort: port } = this.#byUrl.get(url) ?? {}
    return host === undefined || port === undefined ? undefined : { host, port }
  }
}

function portsOf(told: Headers[string]): number[] {
  if (typeof told !== 'string' || !/^\d{1,5}(, ?\d{1,5})?$/.test(told)) return []
  const ports = told.split(',').map(Number)
  return ports.every((port) => port >= 1 && port <= 65_535) ? ports : []
}
