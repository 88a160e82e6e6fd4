// Passes WebSocket messages on between the two who ask for the same path: what any relay could do at best, and a signalling server. In a process of its own.
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

/** What may wait for a receiver before its sender is paused. */
const QUEUE_BYTES = 4 << 20

const rooms = new Map()
const server = createServer()
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on('connection', (socket, { url }) => {
  const other = rooms.get(url)
  rooms.set(url, socket)
  if (other === undefined) return
  rooms.delete(url)
  for (const [from, to] of [
    [socket, other],
    [other, socket],
  ]) {
    from.on('message', (data, binary) => {
      to.send(data, { binary }, () => {
        if (from.isPaused && to.bufferedAmount < QUEUE_BYTES) from.resume()
      })
      if (to.bufferedAmount > QUEUE_BYTES) from.pause()
    })
    from.on('close', () => to.close())
  }
})
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
process.on('disconnect', () => process.exit())
