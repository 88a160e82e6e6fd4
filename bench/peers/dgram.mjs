import dgram from 'node:dgram'
import { Arrivals, pumpFor } from '../harness/flow.mjs'
import { pace } from '../harness/pace.mjs'

const BATCH = 64

export const roles = {
  throughput: { server: receivePackets, client: sendPackets },
  datagrams: { server: receivePackets, client: sendPaced },
}

async function open() {
  const socket = dgram.createSocket('udp4')
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve))
  socket.setRecvBufferSize(4 << 20)
  socket.setSendBufferSize(4 << 20)
  return socket
}

async function receivePackets(context) {
  const socket = await open()
  const arrivals = new Arrivals(context)
  socket.on('message', (data) => arrivals.add(data.length))
  context.link.send(socket.address().port)
  await context.link.receive()
  return arrivals.figures
}

/** As fast as the socket takes packets: the callback of the last one in a batch starts the next batch. */
async function sendPackets(context) {
  const { options, link } = context
  const socket = await open()
  const port = await link.receive()
  const packet = Buffer.alloc(options.packetBytes)
  await pumpFor(context, () => {
    for (let at = 1; at < BATCH; at++) socket.send(packet, port, '127.0.0.1')
    return new Promise((resolve) => socket.send(packet, port, '127.0.0.1', resolve))
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  link.send('done')
  return { mtuBytes: options.packetBytes }
}

async function sendPaced({ options, link, begin }) {
  const socket = await open()
  const port = await link.receive()
  const packet = Buffer.alloc(options.datagramBytes)
  begin()
  const sent = await pace(options, () => {
    socket.send(packet, port, '127.0.0.1')
    // A batch that the kernel did not take at once waits in this process: more would only grow that queue.
    return socket.getSendQueueCount() > BATCH
  })
  link.send('done')
  return { sent }
}
