import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Peer } from '../../entry/node.js'
import { type HostPort, parseHostPort } from '../args.js'
import { type Command, type Context, orAborted } from '../context.js'
import { toCliError, UsageError } from '../exit.js'
import { formatAddress } from '../format.js'
import { dialingOptions, pipeOptions } from '../options.js'
import { dialTicket, watchStats, withPeer } from '../peer.js'
import { forward } from '../pipe/forward.js'
import { openPipe, type PipeProtocol, pipeProtocol } from '../pipe/protocol.js'
import { endpointOf } from '../transfer/ticket.js'

const listenTcp = async ({ host, port }: HostPort): Promise<Server> => {
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
  server.listen({ host, port })
  await once(server, 'listening')
  return server
}

/** One TCP connection, on a connection of its own, as dumbpipe does it. */
const forwardOne = async (context: Context, peer: Peer, socket: Socket, protocol: PipeProtocol): Promise<void> => {
  const { values, output, signal } = context
  // Until it is forwarded nobody else listens for errors.
  socket.on('error', () => undefined)
  try {
    const connection = await dialTicket(context, peer, values.argument(0), protocol.alpn)
    const tellStats = watchStats(context, connection)
    const stream = await openPipe(connection, protocol)
    const counts = await forward(stream, { input: socket, output: socket, endOutput: true }, signal)
    await tellStats()
    output.event('forwarded', { remoteId: connection.remoteId, ...counts })
    connection.close()
  } catch (error) {
    socket.resetAndDestroy()
    if (signal.aborted) return
    const { code, message } = toCliError(error)
    output.event('failed', { code, message })
    output.warn(message)
  }
}

export const connectTcpCommand: Command = {
  spec: {
    name: 'connect-tcp',
    summary: 'listen on a TCP port and forward each connection to a listener',
    usage: '--addr HOST:PORT [options] <ticket>',
    description: [
      'Accepts TCP connections at HOST:PORT and joins each with the service behind the "anypath listen-tcp" that printed the ' +
        'ticket. Runs until Ctrl-C. Use 127.0.0.1 for programs of this machine, 0.0.0.0 for everybody in the network.',
      'Works with "dumbpipe listen-tcp" on the other side.',
    ],
    options: {
      addr: {
        type: 'string',
        value: 'HOST:PORT',
        help: 'the TCP address to listen on; port 0 takes a free one (required)',
      },
      ...pipeOptions,
      ...dialingOptions,
    },
    positionals: [1, 1],
    examples: ['anypath connect-tcp --addr 127.0.0.1:8080 endpoint…'],
  },
  run: async (context) => {
    const { values, output, signal } = context
    const addr = values.text('addr')
    if (addr === undefined) throw new UsageError('--addr HOST:PORT is missing')
    const at = parseHostPort(addr, '--addr')
    const protocol = pipeProtocol(values)
    await withPeer(context, {}, async (peer) => {
      // A bad ticket is better told now than at the first connection.
      await peer.parseTicket(endpointOf(values.argument(0)))
      const server = await listenTcp(at)
      const sockets = new Set<Socket>()
      server.on('connection', (socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
        void forwardOne(context, peer, socket, protocol)
      })
      const { address: host, port } = server.address() as AddressInfo
      output.event('listening', { host, port })
      output.note(`Listening on TCP ${formatAddress({ host, port })}`)
      try {
        await orAborted(once(server, 'close'), signal)
      } finally {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
    })
  },
}
