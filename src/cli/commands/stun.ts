import { isIP } from 'node:net'
import { startStun } from '../../relay/stun.js'
import { type Command, orAborted } from '../context.js'
import { UsageError } from '../exit.js'
import { formatAddress } from '../format.js'

const defaultPort = 3478

/** Rejects when the signal fires, and never settles before. */
const untilAborted = (signal: AbortSignal): Promise<never> => orAborted(new Promise<never>(() => undefined), signal)

export const stunCommand: Command = {
  spec: {
    name: 'stun',
    summary: 'tell browsers and others their public address (a STUN server)',
    usage: '[options]',
    description: [
      'Answers Binding requests (RFC 8489) on a UDP port until Ctrl-C, and nothing else. It is for relays that have no STUN server, as ' +
        'stock iroh relays do not: run it beside one, and name it in the "iceServers" of browsers as stun:HOST:PORT.',
      'Listens on this machine only, unless --host says more. An address gets at most 100 answers a second, all together 20,000, and no ' +
        'answer has more than three times the bytes of its request.',
    ],
    options: {
      host: {
        type: 'string',
        value: 'ADDRESS',
        help: 'IP address to listen on; "::" is every one of this machine (default 127.0.0.1)',
      },
      port: { type: 'string', value: 'PORT', help: `UDP port; 0 takes a free one (default ${defaultPort})` },
    },
    positionals: [0, 0],
    examples: ['anypath stun', 'anypath stun --host :: --port 3478'],
  },
  run: async ({ values, output, signal }) => {
    const host = values.text('host') ?? '127.0.0.1'
    if (isIP(host) === 0) throw new UsageError(`--host must be an IP address, not "${host}"`)
    const server = await startStun({ host, port: values.number('port', [0, 65_535]) ?? defaultPort })
    try {
      const { port } = server
      output.event('listening', { host, port })
      output.note(`Listening. The URL is stun:${formatAddress({ host, port })}`)
      await untilAborted(signal)
    } finally {
      const { answered, limited, malformed } = await server.counts()
      output.event('served', { answered, limited, malformed })
      output.note(`answered ${answered} requests, left ${limited} too many and ${malformed} malformed ones unanswered`)
      await server.close()
    }
  },
}
