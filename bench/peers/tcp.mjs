import net from 'node:net'
import { Arrivals, pumpFor } from '../harness/flow.mjs'

export const roles = { throughput: { server: receive, client: send } }

async function receive(context) {
  const server = net.createServer({ noDelay: true })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.link.send(server.address().port)
  const socket = await new Promise((resolve) => server.once('connection', resolve))
  const arrivals = new Arrivals(context)
  socket.on('data', (data) => arrivals.add(data.length))
  await new Promise((resolve) => socket.once('end', resolve))
  return arrivals.figures
}

async function send(context) {
  const socket = net.connect({ port: await context.link.receive(), host: '127.0.0.1', noDelay: true })
  await new Promise((resolve) => socket.once('connect', resolve))
  await pumpFor(context, (chunk) =>
    socket.write(chunk) ? undefined : new Promise((resolve) => socket.once('drain', resolve)),
  )
  await new Promise((resolve) => socket.end(resolve))
  return {}
}
