/** The peer behind a command: made from its options, closed when it ends. */

import { type Connection, Peer, type Ticket } from '../entry/node.js'
import { parseBind, type Values } from './args.js'
import type { Context } from './context.js'
import { CliError, ExitCode, toCliError, UsageError } from './exit.js'
import { formatAddress, formatBytes, formatDuration } from './format.js'
import { type Identity, loadIdentity } from './key.js'
import { readSettings } from './settings.js'
import { printable } from './transfer/paths.js'
import { endpointOf } from './transfer/ticket.js'

const defaultIdleTimeoutMs = 30_000
const defaultDialTimeoutMs = 10_000

type PeerOptions = NonNullable<Parameters<typeof Peer.create>[0]>
type LogLevel = NonNullable<PeerOptions['logLevel']>

const logLevels: readonly LogLevel[] = ['error', 'warn', 'info', 'debug', 'trace']

const logLevelOf = (values: Values): LogLevel | undefined => {
  const text = values.text('log-level')
  if (text === undefined) return values.flag('verbose') ? 'info' : undefined
  const level = logLevels.find((one) => one === text)
  if (level === undefined) throw new UsageError(`--log-level must be one of ${logLevels.join(', ')}, not "${text}"`)
  return level
}

type Logger = NonNullable<PeerOptions['logger']>

const loggerFor = (context: Context, level: LogLevel): Logger => {
  const write =
    (of: LogLevel): Logger['info'] =>
    (message, fields) => {
      if (logLevels.indexOf(of) > logLevels.indexOf(level)) return
      const details = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${printable(String(value))}`)
      context.output.log(`${of} ${printable(message)}${details.join('')}`)
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** What the options say of the local network; the environment may say the rest. */
const lanSetting = (values: Values): { readonly lan?: boolean } => {
  if (values.flag('lan') && values.flag('no-lan')) throw new UsageError('--lan and --no-lan exclude each other')
  return values.flag('no-lan') ? { lan: false } : values.flag('lan') ? { lan: true } : {}
}

/** Whether a command's peer is found on the local network by its id. */
export const isOnLan = ({ values, env }: Context, ticket: Ticket): boolean =>
  !values.flag('no-lan') &&
  (values.flag('lan') || env.ANYPATH_LAN !== 'off') &&
  ticket.addresses.some((address) => address.kind === 'ip' && !/^(127\.|::1$)/.test(address.host))

export interface PeerNeeds {
  /** ALPNs to serve; none for a peer that only dials. */
  readonly alpns?: readonly string[]
  /** The key, where the command has loaded it already. */
  readonly identity?: Identity
  /** The port, where `--bind` names none. */
  readonly port?: number
  /** The relays that the peer is reached at, where it is not those of the settings. */
  readonly relays?: readonly string[]
}

/** Makes the command's peer: listening peers have a lasting key, dialling ones a key for once unless one is named. */
export const createPeer = async (
  context: Context,
  { alpns = [], identity, port, relays: needed }: PeerNeeds = {},
): Promise<Peer> => {
  const { values, env } = context
  const bindText = values.text('bind')
  const bind = bindText === undefined ? {} : parseBind(bindText)
  // That the network can't be joined is nobody's error, and has to be said all the same.
  const level = logLevelOf(values) ?? (values.flag('lan') ? 'warn' : undefined)
  const qlog = values.text('qlog')
  const idleTimeoutMs = values.durationMs('idle-timeout') ?? defaultIdleTimeoutMs
  const { secretKey } = identity ?? (await loadIdentity(values.text('key'), env, alpns.length > 0 ? 'stored' : 'fresh'))
  const { relays, stunServers } = await readSettings(values, env)
  return Peer.create({
    secretKey,
    alpns: [...alpns],
    relays: needed ?? relays,
    ...(stunServers === undefined ? {} : { stunServers }),
    ...lanSetting(values),
    ...(values.flag('no-port-mapping') ? { portMapping: false } : {}),
    udp: { ...(port === undefined ? {} : { port }), ...bind },
    limits: { idleTimeoutMs },
    ...(qlog === undefined ? {} : { qlog }),
    ...(level === undefined ? {} : { logger: loggerFor(context, level), logLevel: level }),
  })
}

/**
 * Does the command's work with a peer, and closes it however the work ends; the remotes are told 1 when it failed. Ctrl-C
 * closes it at once, before any stream is torn down, so that the remotes hear the reason first.
 */
export const withPeer = async <T>(context: Context, needs: PeerNeeds, work: (peer: Peer) => Promise<T>): Promise<T> => {
  const { signal } = context
  const peer = await createPeer(context, needs)
  const onAbort = (): void => void peer.close({ closeCode: 1, reason: toCliError(signal.reason).message })
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    const result = await work(peer)
    await peer.close()
    return result
  } catch (error) {
    await peer.close({ closeCode: 1, reason: signal.aborted ? toCliError(signal.reason).message : 'failed' })
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** 64 hexadecimal digits: what `anypath id` prints. */
const idPattern = /^[0-9a-f]{64}$/i

/** Dials the peer of a ticket of either kind, or that of an id, which has to be looked up, and says which path was taken. */
export const dialTicket = async (context: Context, peer: Peer, text: string, alpn: string): Promise<Connection> => {
  const { values, output, signal } = context
  const id = text.trim()
  const ticket = idPattern.test(id) ? undefined : await peer.parseTicket(endpointOf(id))
  const { addresses = [], id: remoteId = id.toLowerCase() } = ticket ?? {}
  const timeoutMs = values.durationMs('timeout') ?? defaultDialTimeoutMs
  output.event('dialing', { remoteId, alpn })
  try {
    const connection = await peer.connect(ticket ?? remoteId, { alpn, signal, timeoutMs })
    watchClosed(connection)
    tellConnected(context, connection)
    return connection
  } catch (error) {
    signal.throwIfAborted()
    const { code, exitCode, message } = toCliError(error)
    const tried = addresses.flatMap((address) => (address.kind === 'ip' ? [formatAddress(address)] : []))
    const where = tried.length === 0 ? '' : ` (tried ${tried.join(', ')})`
    throw exitCode === ExitCode.unreachable
      ? new CliError(exitCode, code, `${message}${where}`, { cause: error })
      : error
  }
}

/** A connection's end is told by whatever is being done with it; by itself it is no error of the program. */
export const watchClosed = (connection: Connection): void => {
  connection.closed.catch(() => undefined)
  connection.ready.catch(() => undefined)
}

/** How long the reason of a connection's end may take to arrive after a stream has broken. */
const closeGraceMs = 2_000

const streamCodes: ReadonlySet<string> = new Set(['StreamReset', 'StreamStopped', 'StreamClosed', 'ClosedByPeer'])

/** The remote closed the connection before the work was done. */
export class ClosedByRemote extends CliError {
  readonly closeCode: number
  readonly reason: string

  constructor({ closeCode, reason }: { readonly closeCode: number; readonly reason: string }, cause: unknown) {
    const shown = reason === '' ? `code ${closeCode}` : printable(reason)
    super(ExitCode.lost, 'ClosedByPeer', `the other side closed the connection: ${shown}`, { cause })
    this.closeCode = closeCode
    this.reason = printable(reason)
  }
}

/** What really ended a connection's work: how the connection was closed says more than how a stream broke. */
export const endOf = async (connection: Connection, error: unknown): Promise<unknown> => {
  if (!streamCodes.has(toCliError(error).code)) return error
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), closeGraceMs)
  })
  try {
    const info = await Promise.race([connection.closed, late])
    return info === undefined ? error : new ClosedByRemote(info, error)
  } catch (closeError) {
    return closeError
  } finally {
    clearTimeout(timer)
  }
}

/** The path that a connection uses first, as JSON fields. */
export const pathFields = ({ paths, rttMs }: Connection): Record<string, unknown> => {
  const [path] = paths
  const shown = path === undefined ? null : { kind: path.kind, host: path.host, port: path.port }
  return { path: shown, rttMs: Number(rttMs.toFixed(3)) }
}

const describePath = ({ paths, rttMs }: Connection): string => {
  const [path] = paths
  if (path === undefined) return 'no path'
  return `${path.kind} ${formatAddress(path)}, round trip ${rttMs.toFixed(rttMs < 10 ? 2 : 0)} ms`
}

/** Says who is connected, over which path, and follows changes of the path and of the state. */
export const tellConnected = ({ output }: Context, connection: Connection): void => {
  const { remoteId, incoming, alpn, tls } = connection
  output.event('connected', { remoteId, incoming, alpn, ...pathFields(connection), tls })
  output.note(`connected ${incoming ? 'from' : 'to'} ${remoteId} over ${describePath(connection)}`)
  connection.on('path', ({ change, kind, host, port, rttMs }) => {
    output.event('path', { remoteId, change, kind, host, port, rttMs })
    if (change === 'migrated') output.note(`now over ${kind} ${formatAddress({ host, port })}`)
  })
  connection.on('state', ({ from, to, cause }) => {
    output.event('state', { remoteId, from, to, cause })
    if (to === 'recovering') output.note('the other side has fallen silent; waiting for it')
    if (from === 'recovering' && to === 'direct') output.note('the other side answers again')
  })
}

type Stats = Awaited<ReturnType<Connection['getStats']>>

const sampleMs = 250

const printStats = ({ output }: Context, stats: Stats): void => {
  output.event('stats', { ...stats })
  const { tls, smoothedRtt, minRtt, bytesSent, bytesReceived, packetsLost, packetsSent, mtuBytes } = stats
  const times = `round trip ${formatDuration(smoothedRtt)}, at best ${formatDuration(minRtt)}`
  output.note(`key exchange ${tls.group}, cipher ${tls.cipher}`)
  output.note(`${times}; packets of up to ${mtuBytes} bytes`)
  output.note(
    `sent ${formatBytes(bytesSent)}, received ${formatBytes(bytesReceived)}, lost ${packetsLost} of ${packetsSent} packets`,
  )
}

/**
 * With `--stats`, watches a connection's counters: a connection that the other side has closed has none any more.
 *
 * @returns what prints the latest ones, and ends the watching.
 */
export const watchStats = (context: Context, connection: Connection): (() => Promise<void>) => {
  if (!context.values.flag('stats')) return () => Promise.resolve()
  let latest: Stats | undefined
  const sample = async (): Promise<void> => {
    latest = await connection.getStats().catch(() => latest)
  }
  void sample()
  const timer = setInterval(() => void sample(), sampleMs)
  timer.unref()
  connection.on('close', () => clearInterval(timer))
  return async () => {
    clearInterval(timer)
    await sample()
    if (latest !== undefined) printStats(context, latest)
  }
}
