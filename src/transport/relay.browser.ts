import type { OpenWebSocket, WebSocketLike } from './relay.js'

/** Opens WebSockets in a browser, which can set no header: a token goes into the query, as relays expect it there. */
export const openWebSocket: OpenWebSocket = (url, protocols, token) => {
  if (token !== undefined) url.searchParams.set('token', token)
  return new WebSocket(url, [...protocols]) as unknown as WebSocketLike
}
