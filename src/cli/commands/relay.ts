import { isIP } from 'node:net'
import { type Relay, type RelayOptions, startRelay } from '../../relay/index.js'
import type { RelayLogger } from '../../relay/log.js'
import type { Command, Context } from '../context.js'
import { CliError, ExitCode, toCliError } from '../exit.js'
import { relayFlags, relayOptions } from '../relay/config.js'

const levels = ['error', 'warn', 'info', 'debug'] as const

/** Log records as lines on stderr, or as JSON lines with `--json`. */
const loggerFor = ({ values, output }: Context): RelayLogger => {
  const asked = values.text('log-level') ?? (values.flag('verbose') ? 'info' : 'warn')
  const highest = asked === 'trace' ? 'debug' : asked
  const write =
    (level: (typeof levels)[number]): RelayLogger['info'] =>
    (message, fields = {}) => {
      if (levels.indexOf(level) > levels.indexOf(highest as (typeof levels)[number])) return
      if (output.json) output.event('log', { level, message, ...fields })
      else output.log([level, message, ...Object.entries(fields).map(([name, value]) => `${name}=${value}`)].join(' '))
    }
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') }
}

/** SIGTERM and SIGINT drain the relay, a second one ends the process; SIGHUP has it read its files again. */
const untilStopped = ({ output }: Context, relay: Relay): Promise<void> =>
  new Promise((resolve, reject) => {
    let stopping = false
    const stop = (name: NodeJS.Signals): void => {
      if (stopping) process.exit(ExitCode.interrupted)
      stopping = true
      const { clients } = relay.metrics()
      output.event('draining', { signal: name, clients })
      output.note(`telling ${clients} clients to move; again ends at once`)
      relay.drain().then(resolve, reject)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    process.on('SIGHUP', () => {
      relay.reload().then(
        () => output.event('reloaded'),
        (error: unknown) => {
          const { code, message } = toCliError(error)
          output.event('reloadFailed', { code, message })
          output.warn(`nothing was read again: ${message}`)
        },
      )
    })
  })

/**
 * Starts it, with STUN on the UDP port of its own number and the next one where none is named: peers are told the port, and need no other server then. Behind a proxy
 * that port is not at the address that peers know.
 */
const start = async (options: RelayOptions, noStun: boolean): Promise<Relay> => {
  const { host = '127.0.0.1', port = 3340, stunPort, trustProxy = false, logger } = options
  if (noStun || stunPort !== undefined || trustProxy || isIP(host) === 0) return startRelay(options)
  const other = port === 0 ? 0 : port + 1
  const tries = [{ stunPort: port, stunOtherPort: other }, { stunPort: port }, {}].filter(
    ({ stunOtherPort = 0 }) => stunOtherPort <= 65_535,
  )
  for (const ports of tries) {
    try {
      const relay = await startRelay({ ...options, ...ports })
      if (ports.stunOtherPort === undefined)
        logger?.warn('a port for STUN is taken', { answersAt: relay.stunPort ?? 'none' })
      return relay
    } catch (error) {
      // It was not asked for, so it is no reason to serve nobody. When the TCP port is taken, the last try says so.
      if (toCliError(error).code !== 'AddressInUse' || ports.stunPort === undefined) throw error
    }
  }
  return startRelay(options)
}

export const relayCommand: Command = {
  spec: {
    name: 'relay',
    summary: 'run a relay, over which peers reach each other',
    usage: '[options]',
    description: [
      'Passes encrypted datagrams on between peers that have no direct path. It speaks the iroh relay protocol, so stock ' +
        'iroh endpoints can use it too. It listens on loopback unless --host is given.',
      'Every option can also be in a JSON file (--config), by its name in camel case, limits within "limits"; or in the ' +
        'environment: ANYPATH_RELAY_MAX_CLIENTS is --max-clients. Flags go before the environment, and that before the file. ' +
        'Tokens are taken from files and the environment only (ANYPATH_RELAY_TOKENS, divided by commas).',
      'SIGTERM and Ctrl-C tell clients to move and end the relay after --drain-ms; a second one ends it at once. SIGHUP reads ' +
        'the certificate and the lists of ids and tokens again.',
    ],
    options: {
      config: { type: 'string', value: 'FILE', help: 'read options from a JSON file' },
      ...relayFlags(),
      'no-stun': {
        type: 'boolean',
        help: 'answer no STUN; by default it is at the UDP port of the number of --port, and the next one',
      },
    },
    positionals: [0, 0],
    examples: [
      'anypath relay',
      'anypath relay --host :: --port 443 --tls-cert-file a.pem --tls-key-file b.pem',
      'anypath relay --trust-proxy --metrics-port 9090 --json',
    ],
  },
  handlesSignals: true,
  run: async (context) => {
    const { values, output, env } = context
    const options = await relayOptions(values, env)
    const relay = await start({ ...options, logger: loggerFor(context) }, values.flag('no-stun')).catch(
      (error: unknown) => {
        const { code, message } = toCliError(error)
        throw code === 'InvalidConfig' ? new CliError(ExitCode.usage, code, message, { cause: error }) : error
      },
    )
    const { url, httpPort, metricsPort, stunPort, stunOtherPort, qadPort } = relay
    const ports = {
      httpPort,
      metricsPort: metricsPort ?? null,
      stunPort: stunPort ?? null,
      stunOtherPort: stunOtherPort ?? null,
      qadPort: qadPort ?? null,
    }
    output.event('listening', { url, ...ports })
    output.result(url)
    if (metricsPort !== undefined)
      output.note(`metrics at http://${options.metricsHost ?? '127.0.0.1'}:${metricsPort}/metrics`)
    await untilStopped(context, relay)
    output.event('stopped')
  },
}
