// A page's side of the browser suites, with a plain WebSocket: messages that a server passes on to the other side.
import { offer, zeros } from '/flow.js'

/** What may wait in the WebSocket. */
const QUEUE_BYTES = 4 << 20

const opened = (url) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => resolve(socket)
    socket.onerror = () => reject(new Error('the WebSocket failed'))
  })

/** Answers with one byte when as many have come as were announced. */
async function serve({ forwarder }) {
  const room = crypto.randomUUID()
  const socket = await opened(`${forwarder}${room}`)
  let left = 0
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string') left = Number(data)
    else left -= data.byteLength
    if (left === 0) socket.send(new Uint8Array(1))
  }
  return room
}

let socket

async function firstMessage({ forwarder, address }) {
  socket = await opened(`${forwarder}${address}`)
  await send({ bytes: 1 })
  return performance.now()
}

async function send({ bytes }) {
  const started = performance.now()
  const answered = new Promise((resolve) => {
    socket.onmessage = resolve
  })
  socket.send(String(bytes))
  for (const chunk of zeros(bytes)) {
    while (socket.bufferedAmount > QUEUE_BYTES) await new Promise((resolve) => setTimeout(resolve, 1))
    socket.send(chunk)
  }
  await answered
  return (performance.now() - started) / 1000
}

offer({ serve, firstMessage, send })
