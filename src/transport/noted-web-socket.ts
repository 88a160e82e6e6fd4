/** The WebSocket that is being made, and the URL that it has to lead to. */
let making: { readonly url: string; socket?: WebSocket } = { url: '' }

/**
 * In place of the browser's class in the ponyfill, which knows but `wss:`, begins the path with two slashes, and keeps its WebSocket to itself.
 * The build puts it there (`esbuild.config.mjs`).
 */
class NotedWebSocket extends globalThis.WebSocket {
  constructor(_url: string, protocols: string[]) {
    super(making.url, protocols)
    making.socket = this
  }
}

export { NotedWebSocket as WebSocket }

/**
 * What `make` makes with a WebSocket to that URL, and the latter.
 *
 * @throws Error when it made none.
 */
export function noting<T>(url: string, make: () => T): { readonly made: T; readonly socket: WebSocket } {
  making = { url }
  const made = make()
  const { socket } = making
  if (socket === undefined) throw new TypeError(`no WebSocket to ${url}`)
  return { made, socket }
}
