import { WebTransportPonyfill } from 'webtransport-ponyfill'
import { noting } from './noted-web-socket.js'
import type { WebTransportLike } from './web-transport.js'

/** The largest datagram of the ponyfill's. */
const DATAGRAM_BYTES = 16 * 1024

/** Bytes that may wait in the WebSocket. */
const BUFFERED_BYTES = 256 * 1024

/** A WebSocket does not tell when it has room again, so a full one is asked this often. */
const FULL_POLL_MS = 5

/**
 * Opens a session of WebTransport over WebSocket. All its datagrams of a direction together are one stream: a WebSocket loses nothing and keeps
 * the order, and its cost is per message.
 *
 * @throws Error for a URL that the page may not use.
 */
export function openOverTcp(url: string): WebTransportLike {
  const { made: session, socket } = noting(url, () => new WebTransportPonyfill(url.replace(/^wss?/, 'https')))
  const datagrams = session.datagrams.createWritable().getWriter()
  const room = async (): Promise<void> => {
    while (socket.bufferedAmount > BUFFERED_BYTES && socket.readyState === 1)
      await new Promise((resolve) => setTimeout(resolve, FULL_POLL_MS))
  }
  const read = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      socket.unread -= bytes.length
      controller.enqueue(bytes)
    },
  })
  return {
    ready: session.ready,
    closed: session.closed,
    datagrams: { readable: new ReadableStream() },
    incomingUnidirectionalStreams: new ReadableStream({
      start: (streams) => streams.enqueue(session.datagrams.readable.pipeThrough(read)),
    }),
    createUnidirectionalStream: async () =>
      new WritableStream({
        async write(bytes) {
          for (let at = 0; at < bytes.length; at += DATAGRAM_BYTES) {
            await room()
            await datagrams.write(bytes.subarray(at, at + DATAGRAM_BYTES))
          }
        },
      }),
    close: () => {
      session.close()
      socket.close()
    },
  }
}
