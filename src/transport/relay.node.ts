import { WebSocket } from 'ws'
import { type OpenWebSocket, socketUrl, tokensOf, type WebSocketLike, WebSocketRelays } from './relay.js'
import { type RelayService, RelayServices } from './relay-services.js'
import { certificatesOf, defaultTrustAnchors } from './trust-anchors.node.js'

/** What a relay's TLS and HTTP upgrade may take. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** More than one message of the relay protocol holds: the socket is closed before such a message is whole. */
const MAX_MESSAGE_BYTES = 66_000

/** The longest that a timer takes. */
const FOREVER_MS = 2 ** 31 - 1

/** What a relay needs besides its URL. */
export interface RelayAccess {
  readonly url: string
  readonly token?: string
  readonly ca?: string
}

/** Address-discovery services, and the certificates in DER that theirs have to lead to. */
export interface DiscoveryServices {
  readonly anchors: readonly (readonly Uint8Array[])[]
  readonly services: readonly (RelayService & { readonly name: string; readonly anchors: number })[]
}

/** Relays over WebSockets, for which a process stays, and what they tell of their services. */
export class NodeRelays extends WebSocketRelays {
  readonly #services: RelayServices
  readonly #relays: readonly RelayAccess[]

  constructor(relays: readonly RelayAccess[], services = new RelayServices()) {
    const certificates = new Map(relays.map(({ url, ca }) => [socketUrl(url).href, ca]))
    super(opener(services, certificates), tokensOf(relays))
    this.#services = services
    this.#relays = relays
  }

  hold(): () => void {
    const timer = setInterval(() => {}, FOREVER_MS)
    return () => clearInterval(timer)
  }

  /** The STUN services of those of the relays that were reached and have one. */
  stunServices(): RelayService[] {
    return this.#relays.flatMap(({ url }) => this.#services.stun(socketUrl(url).href))
  }

  /** The address-discovery services of those that were reached and may have one. */
  discoveryServices(): DiscoveryServices {
    const anchors: (readonly Uint8Array[])[] = []
    const texts: (string | undefined)[] = []
    const services = this.#relays.flatMap(({ url, ca }) => {
      const service = this.#services.discovery(socketUrl(url).href)
      if (service === undefined) return []
      if (!texts.includes(ca)) {
        texts.push(ca)
        anchors.push(ca === undefined ? defaultTrustAnchors() : certificatesOf(ca))
      }
      const name = new URL(url).hostname.replace(/^\[|\]$/g, '')
      return [{ ...service, name, anchors: texts.indexOf(ca) }]
    })
    return { anchors, services }
  }
}

/** Opens WebSockets in Node, by the package `ws`; a token goes into the `Authorization` header. */
function opener(services: RelayServices, certificates: ReadonlyMap<string, string | undefined>): OpenWebSocket {
  return (url, protocols, token) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const ca = certificates.get(url.href)
    const socket = new WebSocket(url, [...protocols], {
      headers,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: MAX_MESSAGE_BYTES,
      // What is sent is encrypted, so it can't be compressed.
      perMessageDeflate: false,
      // A redirect could lead the token elsewhere.
      followRedirects: false,
      ...(ca === undefined ? {} : { ca }),
    })
    socket.once('upgrade', ({ headers: told, socket: { remoteAddress } }) => {
      services.note(url.href, remoteAddress, told)
    })
    return socket as unknown as WebSocketLike
  }
}

/** What is asked for this machine's addresses where nothing else is named: the services of the relays. */
export function relayServices(dialer: object): {
  stunServers?: () => Promise<readonly RelayService[]>
  discoveryServices?: () => DiscoveryServices
} {
  if (!(dialer instanceof NodeRelays)) return {}
  return { stunServers: async () => dialer.stunServices(), discoveryServices: () => dialer.discoveryServices() }
}
