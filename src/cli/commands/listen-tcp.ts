import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import type { Connection } from '../../entry/node.js'
import { type HostPort, parseHostPort } from '../args.js'
import { type Command, type Context, orAborted } from '../context.js'
import { toCliError, UsageError } from '../exit.js'
import { formatAddress } from '../format.js'
import { listeningOptions, pipeOptions } from '../options.js'
import { tellConnected, watchClosed, watchStats, withPeer } from '../peer.js'
import { pingAlpn, servePing } from '../ping/echo.js'
import { forward } from '../pipe/forward.js'
import { acceptPipe, type PipeProtocol, pipeProtocol } from '../pipe/protocol.js'

/** Dials the local service. */
const dialTcp = async ({ host, port }: HostPort): Promise<Socket> => {
  const socket = createConnection({ host, port, allowHalfOpen: true, noDelay: true })
  await once(socket, 'connect')
  return socket
}

const serveOne = async (
  context: Context,
  connection: Connection,
  protocol: PipeProtocol,
  to: HostPort,
): Promise<void> => {
  const { output, signal } = context
  const { remoteId } = connection
  watchClosed(connection)
  if (connection.alpn === pingAlpn) return servePing(connection)
  try {
    tellConnected(context, connection)
    const tellStats = watchStats(context, connection)
    const stream = await acceptPipe(connection, protocol)
    const socket = await dialTcp(to)
    const counts = await forward(stream, { input: socket, output: socket, endOutput: true }, signal)
    await tellStats()
    output.event('forwarded', { remoteId, ...counts })
    // The dialling side closes when it has everything; this is for one that does not.
    setTimeout(() => connection.close(), 5_000).unref()
  } catch (error) {
    const { code, message } = toCliError(error)
    output.event('failed', { remoteId, code, message })
    output.warn(`${remoteId}: ${message}`)
    connection.close({ closeCode: 1, reason: message })
  }
}

export const listenTcpCommand: Command = {
  spec: {
    name: 'listen-tcp',
    summary: 'forward each connection to a TCP service of this machine or network',
    usage: '--host HOST:PORT [options]',
    description: [
      'Prints a ticket and joins each connection that arrives with a new TCP connection to HOST:PORT. Whoever has the ticket ' +
        'can reach that service. Runs until Ctrl-C.',
      'Works with "dumbpipe connect-tcp" on the other side.',
    ],
    options: {
      host: { type: 'string', value: 'HOST:PORT', help: 'the TCP service to forward to (required)' },
      ...pipeOptions,
      ...listeningOptions,
    },
    positionals: [0, 0],
    examples: ['anypath listen-tcp --host localhost:8080'],
  },
  run: async (context) => {
    const { values, output, signal } = context
    const host = values.text('host')
    if (host === undefined) throw new UsageError('--host HOST:PORT is missing')
    const to = parseHostPort(host, '--host')
    const protocol = pipeProtocol(values)
    await withPeer(context, { alpns: [protocol.alpn, pingAlpn] }, async (peer) => {
      const ticket = (await peer.ticket()).toString()
      output.event('listening', { id: peer.id, ticket })
      output.note(`Forwarding to ${formatAddress(to)}. To connect, use for example:`)
      output.result(`anypath connect-tcp --addr 127.0.0.1:8080 ${ticket}`)
      const serve = async (): Promise<void> => {
        for await (const connection of peer.incoming) void serveOne(context, connection, protocol, to)
      }
      await orAborted(serve(), signal)
    })
  },
}
