/** Bytes of datagrams that may wait for the page: a WebSocket holds nobody up, and the ponyfill keeps all that comes. No connection has as much under way. */
const UNREAD_BYTES = 64 << 20

/** What the capsules that are taken begin with: a datagram, and the end of the session. */
const DATAGRAM = 0
const CLOSE_SESSION = 0x68

/** The WebSocket that is being made, and the URL that it has to lead to. */
let making: { readonly url: string; socket?: NotedWebSocket } = { url: '' }

/**
 * In place of the browser's class in the ponyfill, which knows but `wss:`, begins the path with two slashes, and keeps its WebSocket to itself.
 * The build puts it there (`esbuild.config.mjs`).
 */
class NotedWebSocket extends globalThis.WebSocket {
  /** Bytes of datagrams that have come and that the page has not read; whoever reads takes them off. */
  unread = 0

  constructor(_url: string, protocols: string[]) {
    super(making.url, protocols)
    making.socket = this
    // This is told of a message first.
    this.addEventListener('message', (event) => this.#look(event))
  }

  /** Keeps from the ponyfill what a remote could fill the page's memory with. */
  #look(event: MessageEvent): void {
    const bytes = new Uint8Array(event.data instanceof ArrayBuffer ? event.data : [])
    if (bytes[0] === DATAGRAM) this.unread += bytes.length - 1
    // Others are about streams, of which there are none: it would make each that is named.
    else if (bytes[0] !== CLOSE_SESSION) event.stopImmediatePropagation()
    if (this.unread > UNREAD_BYTES) this.close()
  }
}

export { NotedWebSocket as WebSocket }

/**
 * What `make` makes with a WebSocket to that URL, and the latter.
 *
 * @throws Error when it made none.
 */
export function noting<T>(url: string, make: () => T): { readonly made: T; readonly socket: NotedWebSocket } {
  making = { url }
  const made = make()
  const { socket } = making
  if (socket === undefined) throw new TypeError(`no WebSocket to ${url}`)
  return { made, socket }
}
