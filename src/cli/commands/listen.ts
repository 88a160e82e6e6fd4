import type { Connection, Peer } from '../../entry/node.js'
import { type Command, type Context, orAborted } from '../context.js'
import { CliError, ExitCode, toCliError } from '../exit.js'
import { formatBytes } from '../format.js'
import { listeningOptions, pipeOptions } from '../options.js'
import { isOnLan, tellConnected, watchClosed, watchStats, withPeer } from '../peer.js'
import { pingAlpn, servePing } from '../ping/echo.js'
import { forwardStdio } from '../pipe/forward-stdio.js'
import { acceptPipe, type PipeProtocol, pipeProtocol } from '../pipe/protocol.js'
import type { ByteStream } from '../transfer/sender.js'

interface Accepted {
  readonly connection: Connection
  readonly stream: ByteStream
}

/** The first connection that opens a pipe; the others are let go. */
const acceptOne = (context: Context, peer: Peer, protocol: PipeProtocol): Promise<Accepted> =>
  new Promise((resolve, reject) => {
    let taken = false
    const consider = async (connection: Connection): Promise<void> => {
      watchClosed(connection)
      if (connection.alpn === pingAlpn) return servePing(connection)
      if (taken) return connection.close({ closeCode: 1, reason: 'this pipe is taken' })
      tellConnected(context, connection)
      try {
        const stream = await acceptPipe(connection, protocol)
        if (taken) return connection.close({ closeCode: 1, reason: 'this pipe is taken' })
        taken = true
        resolve({ connection, stream })
      } catch (error) {
        context.output.warn(`${connection.remoteId}: ${toCliError(error).message}; still listening`)
      }
    }
    const take = async (): Promise<void> => {
      for await (const connection of peer.incoming) void consider(connection)
      throw new CliError(ExitCode.failed, 'PeerClosed', 'the peer was closed')
    }
    take().catch(reject)
  })

export const listenCommand: Command = {
  spec: {
    name: 'listen',
    summary: 'wait for one connection and join it with stdin and stdout',
    usage: '[options]',
    description: [
      'Prints a ticket on stderr, waits for one "anypath connect", sends it what comes on stdin and writes what it sends to ' +
        'stdout. The end of stdin is passed on while the other direction goes on. Ends when both directions have.',
      'Works with the program dumbpipe on the other side. JSON lines go to stderr, because stdout carries the data.',
    ],
    options: {
      'recv-only': { type: 'boolean', help: 'send nothing: do not read stdin' },
      ...pipeOptions,
      ...listeningOptions,
    },
    positionals: [0, 0],
    examples: ['anypath listen > picture.jpg', 'tar c photos | anypath listen'],
  },
  stdoutIsData: true,
  run: (context) => {
    const { values, output, signal } = context
    const protocol = pipeProtocol(values)
    return withPeer(context, { alpns: [protocol.alpn, pingAlpn] }, async (peer) => {
      const ticket = await peer.ticket()
      output.event('listening', { id: peer.id, ticket: ticket.toString() })
      output.note(`Listening. To connect, use:\nanypath connect ${ticket}`)
      if (isOnLan(context, ticket)) output.note(`or, on this network:\nanypath connect ${peer.id}`)
      const { connection, stream } = await orAborted(acceptOne(context, peer, protocol), signal)
      const tellStats = watchStats(context, connection)
      const { sentBytes, receivedBytes } = await forwardStdio(context, connection, stream)
      await tellStats()
      output.event('done', { sentBytes, receivedBytes })
      output.note(`sent ${formatBytes(sentBytes)}, received ${formatBytes(receivedBytes)}`)
    })
  },
}
