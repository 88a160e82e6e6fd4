import { WebSocket } from 'ws'
import { type OpenWebSocket, socketUrl, type WebSocketLike, WebSocketRelays } from './relay.js'
import { type RelayService, RelayStunServices, STUN_PORT_HEADER } from './relay-services.js'

/** What a relay's TLS and HTTP upgrade may take. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** More than one message of the relay protocol holds: the socket is closed before such a message is whole. */
const MAX_MESSAGE_BYTES = 66_000

/** Opens WebSockets in Node, by the package `ws`; a token goes into the `Authorization` header. */
const opener =
  (stun: RelayStunServices): OpenWebSocket =>
  (url, protocols, token) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const socket = new WebSocket(url, [...protocols], {
      headers,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      maxPayload: MAX_MESSAGE_BYTES,
      // What is sent is encrypted, so it can't be compressed.
      perMessageDeflate: false,
      // A redirect could lead the token elsewhere.
      followRedirects: false,
    })
    socket.once('upgrade', ({ headers, socket: { remoteAddress } }) => {
      stun.note(url.href, remoteAddress, headers[STUN_PORT_HEADER])
    })
    return socket as unknown as WebSocketLike
  }

/** The longest that a timer takes. */
const FOREVER_MS = 2 ** 31 - 1

/** Relays over WebSockets, for which a process stays. */
export class NodeRelays extends WebSocketRelays {
  readonly #stun: RelayStunServices

  constructor(tokens: ReadonlyMap<string, string>, stun = new RelayStunServices()) {
    super(opener(stun), tokens)
    this.#stun = stun
  }

  /** The STUN services of those of these relays that were reached and have one. */
  stunServices(relays: readonly string[]): RelayService[] {
    return this.#stun.of(relays.map((relay) => socketUrl(relay).href))
  }

  hold(): () => void {
    const timer = setInterval(() => {}, FOREVER_MS)
    return () => clearInterval(timer)
  }
}
