import type { Clock } from '../driver/clock.js'
import { AnypathError, InvalidArgumentError, NoAddressError } from '../errors/index.js'
import type { Connection } from './connection.js'
import type { ConnectOptions } from './peer-options.js'
import type { Session } from './session.js'

/** How `Session.maintain` keeps a connection. */
export interface MaintainOptions {
  /** The application protocol (ALPN). @default that of the session's last connection */
  readonly alpn?: string
  /** Ends it. @default until the peer is closed */
  readonly signal?: AbortSignal
  /** How long each dial may take, milliseconds. @default `limits.handshakeTimeoutMs` */
  readonly timeoutMs?: number
  /** The pauses between dials, milliseconds. @default { first: 1000, most: 60_000 } */
  readonly pauseMs?: { readonly first: number; readonly most: number }
}

const PAUSE_MS = { first: 1000, most: 60_000 }

/** Dials again and again: see `Session.maintain`. */
export async function maintain(
  session: Session,
  clock: Clock,
  peerClosed: AbortSignal,
  { signal, pauseMs = PAUSE_MS, ...dialOptions }: MaintainOptions,
): Promise<void> {
  const { first, most } = pauseMs
  if (!(first > 0 && most >= first && most < 2 ** 31))
    throw new InvalidArgumentError('pauseMs: first must be above 0, and most at least that')
  const ended = new AbortController()
  const end = (): void => ended.abort()
  const enders = [peerClosed, ...(signal === undefined ? [] : [signal])]
  for (const ender of enders) ender.addEventListener('abort', end)
  if (enders.some(({ aborted }) => aborted)) end()
  try {
    for (let nextMs = first; !ended.signal.aborted; nextMs = Math.min(nextMs * 2, most)) {
      const connection = await dialled(session, { ...dialOptions, signal: ended.signal })
      const sinceMs = clock.now()
      if (connection !== undefined) await over(connection, ended.signal)
      if (clock.now() - sinceMs > most) nextMs = first
      if (ended.signal.aborted) return
      session.enter('reconnecting', session.state === 'failed' ? 'error' : 'close')
      await pause(clock, nextMs * (1 - Math.random() / 2), ended.signal)
    }
  } finally {
    for (const ender of enders) ender.removeEventListener('abort', end)
    session.enter('closed', 'close')
  }
}

/** A connection, or nothing where another dial may succeed. */
async function dialled(session: Session, options: Partial<ConnectOptions>): Promise<Connection | undefined> {
  try {
    return await session.connect(options)
  } catch (thrown) {
    // What discovery does not know yet it may know later.
    const mayPass = thrown instanceof NoAddressError || (thrown instanceof AnypathError && thrown.retryable)
    if (options.signal?.aborted || mayPass) return undefined
    throw thrown
  }
}

/** Settles when the connection is over or the signal fires. */
function over(connection: Connection, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
    connection.closed.then(done, done)
  })
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.setTimeout(done, delayMs)
    signal.addEventListener('abort', done)
  })
}
