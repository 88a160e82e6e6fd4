// A page's side of the browser suites, with simple-peer (WebRTC): a WebSocket carries its signals to the other page.
import '/simple-peer.min.js'
import { offer } from '/flow.js'

const { SimplePeer } = globalThis

const signals = (url) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.onopen = () => resolve(socket)
    socket.onerror = () => reject(new Error('the WebSocket failed'))
  })

const wire = (peer, socket) => {
  peer.on('signal', (signal) => socket.send(JSON.stringify(signal)))
  socket.onmessage = ({ data }) => peer.signal(JSON.parse(data))
}

async function serve({ forwarder }) {
  const room = crypto.randomUUID()
  const socket = await signals(`${forwarder}${room}`)
  const peer = new SimplePeer()
  wire(peer, socket)
  peer.on('data', () => peer.send(new Uint8Array(1)))
  return room
}

async function firstMessage({ forwarder, address }) {
  const socket = await signals(`${forwarder}${address}`)
  const peer = new SimplePeer({ initiator: true })
  wire(peer, socket)
  await new Promise((resolve, reject) => {
    peer.once('error', reject)
    peer.once('connect', () => peer.send(new Uint8Array(1)))
    peer.once('data', resolve)
  })
  return performance.now()
}

offer({ serve, firstMessage })
