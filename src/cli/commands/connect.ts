import type { Command } from '../context.js'
import { formatBytes } from '../format.js'
import { dialingOptions, pipeOptions } from '../options.js'
import { dialTicket, watchStats, withPeer } from '../peer.js'
import { forwardStdio } from '../pipe/forward-stdio.js'
import { openPipe, pipeProtocol } from '../pipe/protocol.js'

export const connectCommand: Command = {
  spec: {
    name: 'connect',
    summary: 'dial a listener and join it with stdin and stdout',
    usage: '[options] <ticket or id>',
    description: [
      'Sends what comes on stdin to the "anypath listen" that printed the ticket, and writes what it sends to stdout. The end ' +
        'of stdin is passed on while the other direction goes on. Ends when both directions have. On the same network, the id ' +
        'of a listener is enough.',
      'Works with the program dumbpipe on the other side. JSON lines go to stderr, because stdout carries the data.',
    ],
    options: {
      'recv-only': { type: 'boolean', help: 'send nothing: do not read stdin' },
      ...pipeOptions,
      ...dialingOptions,
    },
    positionals: [1, 1],
    examples: [
      'anypath connect endpoint… < picture.jpg',
      'anypath connect --recv-only endpoint… | tar x',
      'anypath connect 4e3a…',
    ],
  },
  stdoutIsData: true,
  run: (context) => {
    const { values, output } = context
    const protocol = pipeProtocol(values)
    return withPeer(context, {}, async (peer) => {
      const connection = await dialTicket(context, peer, values.argument(0), protocol.alpn)
      const tellStats = watchStats(context, connection)
      const stream = await openPipe(connection, protocol)
      const { sentBytes, receivedBytes } = await forwardStdio(context, connection, stream)
      await tellStats()
      output.event('done', { sentBytes, receivedBytes })
      output.note(`sent ${formatBytes(sentBytes)}, received ${formatBytes(receivedBytes)}`)
    })
  },
}
