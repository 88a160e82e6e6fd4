import type { RelayDialer, RelaySocket, RelaySocketEvents } from './transport.js'

/** The subprotocols of iroh's relay protocol, the preferred one first. */
const PROTOCOLS = ['iroh-relay-v2', 'iroh-relay-v1'] as const

/** The part of the WHATWG `WebSocket` that is used; those of browsers and of the package `ws` fit. */
export interface WebSocketLike {
  binaryType: string
  readonly protocol: string
  readonly bufferedAmount: number
  onopen: ((event: never) => void) | null
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onerror: ((event: { readonly message?: string }) => void) | null
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null
  send(data: Uint8Array<ArrayBuffer>): void
  close(): void
}

/**
 * Opens a WebSocket.
 *
 * @param url `ws:` or `wss:`.
 * @param token what the relay asks for, if it asks for something: in a header where one can be set, else in the query.
 */
export type OpenWebSocket = (url: URL, protocols: readonly string[], token: string | undefined) => WebSocketLike

/** Relays over WebSockets. */
export class WebSocketRelays implements RelayDialer {
  readonly #open: OpenWebSocket
  readonly #tokens: ReadonlyMap<string, string>

  /** @param tokens what relays ask for, by their URL. */
  constructor(open: OpenWebSocket, tokens: ReadonlyMap<string, string>) {
    this.#open = open
    this.#tokens = tokens
  }

  dial(url: string, events: RelaySocketEvents): RelaySocket {
    try {
      return new OpenedSocket(this.#open(socketUrl(url), PROTOCOLS, this.#tokens.get(url)), events)
    } catch (thrown) {
      // A page may not open plain WebSockets, or its policy may forbid this one; the constructor throws then.
      const reason = thrown instanceof Error ? thrown.message : String(thrown)
      const timer = setTimeout(() => events.closed(reason), 0)
      return { queuedBytes: 0, send: () => {}, close: () => clearTimeout(timer) }
    }
  }
}

/** What relays ask for, by their URLs. */
export function tokensOf(relays: readonly { readonly url: string; readonly token?: string }[]): Map<string, string> {
  return new Map(relays.flatMap(({ url, token }) => (token === undefined ? [] : [[url, token]])))
}

/** Where a relay's WebSocket is: `/relay` on its host, whatever path its URL has. */
export function socketUrl(relay: string): URL {
  const url = new URL('/relay', relay)
  url.protocol = url.protocol === 'http:' || url.protocol === 'ws:' ? 'ws:' : 'wss:'
  return url
}

class OpenedSocket implements RelaySocket {
  readonly #socket: WebSocketLike
  #open = false
  #error = ''

  constructor(socket: WebSocketLike, events: RelaySocketEvents) {
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      this.#open = true
      const version = PROTOCOLS.length - PROTOCOLS.indexOf(socket.protocol as (typeof PROTOCOLS)[number])
      // A server that chose none of them does not speak the protocol.
      if (version === 1 || version === 2) events.opened(version)
      else this.#end(events, 'the server is no relay: it chose no subprotocol')
    }
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) events.message(new Uint8Array(data))
      else this.#end(events, 'the relay sent text')
    }
    // Browsers say nothing here; the close event that follows does.
    socket.onerror = ({ message }) => {
      this.#error = message ?? ''
    }
    socket.onclose = ({ code, reason }) => {
      this.#end(events, this.#error || reason || `closed with code ${code}`)
    }
  }

  get queuedBytes(): number {
    return this.#open ? this.#socket.bufferedAmount : 0
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    if (this.#open) this.#socket.send(message)
  }

  close(): void {
    const socket = this.#socket
    this.#open = false
    socket.onopen = null
    socket.onmessage = null
    socket.onclose = null
    // `ws` emits an error when a socket is closed before it is open, and an error that nobody hears ends the process.
    socket.onerror = () => {}
    socket.close()
  }

  #end(events: RelaySocketEvents, reason: string): void {
    this.close()
    events.closed(reason)
  }
}
