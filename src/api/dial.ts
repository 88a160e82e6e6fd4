import { encodeAlpn } from '../config/index.js'
import type { Clock } from '../driver/clock.js'
import type { DialTargets, Engine } from '../driver/engine.js'
import {
  AbortedError,
  InvalidArgumentError,
  NoAddressError,
  NoRelayConfiguredError,
  UnreachableError,
} from '../errors/index.js'
import type { Connection } from './connection.js'
import type { ConnectionTable } from './connection-table.js'
import { carriersOf, dialTargets, reachableAddresses } from './dial-address.js'
import { idFromText, idToText, isId } from './identity.js'
import type { ConnectOptions, DialTarget } from './peer-options.js'
import { Ticket } from './ticket.js'

interface Destination {
  readonly remoteId: Uint8Array
  readonly targets: DialTargets
}

/** What a session dials again: the addresses for WebTransport are in no type of the API. */
export interface RememberedTarget extends DialTarget {
  readonly webTransport?: readonly Uint8Array[] | undefined
}

const NOWHERE: DialTargets = { addresses: [], relays: [] }

/** Dials, and resolves with a connection that is ready: or, with early data, usable. */
export async function dial(
  engine: Engine,
  table: ConnectionTable,
  clock: Clock,
  target: Ticket | string | DialTarget,
  options: ConnectOptions,
): Promise<Connection> {
  checkOptions(options)
  const { signal, timeoutMs, earlyData = false } = options
  const alpn = alpnOf(options)
  const limit = new DialLimit(clock, signal, timeoutMs)
  try {
    const { remoteId, targets } = await limit.bound(destinationOf(engine, target))
    const starting = engine.connect({ remoteId, alpn, ...targets, earlyData })
    let connection: Connection | undefined
    const adopted = starting.then((id) => {
      connection = table.get(id)
      connection.dialled(idToText(remoteId), options.alpn, targets.webTransport)
      if (limit.exceeded) connection.close()
      return connection
    })
    try {
      const dialled = await limit.bound(adopted)
      await limit.bound(earlyData ? dialled.usable : dialled.ready)
      return dialled
    } catch (thrown) {
      connection?.close()
      if (targets.relays.length > 0 && thrown instanceof NoAddressError) {
        throw new NoRelayConfiguredError('this peer can only be reached over a relay, and none is configured')
      }
      throw thrown
    }
  } finally {
    limit.lift()
  }
}

/** Callers without types get an error that names the field, and before anything has begun. */
function checkOptions(options: unknown): asserts options is ConnectOptions {
  if (typeof options !== 'object' || options === null) throw new InvalidArgumentError('options: must be an object')
  const { signal, timeoutMs, earlyData } = options as Record<string, unknown>
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0))
    throw new InvalidArgumentError('timeoutMs must be above 0')
  if (earlyData !== undefined && typeof earlyData !== 'boolean')
    throw new InvalidArgumentError('earlyData: must be true or false')
  // Signals of other realms and of polyfills are no instances of this one's class.
  const { aborted, addEventListener, removeEventListener } = (signal ?? {}) as Record<string, unknown>
  const fits =
    typeof aborted === 'boolean' && [addEventListener, removeEventListener].every((f) => typeof f === 'function')
  if (signal !== undefined && !fits) throw new InvalidArgumentError('signal: must be an AbortSignal')
}

function alpnOf(options: ConnectOptions): Uint8Array {
  try {
    return encodeAlpn('alpn', options.alpn)
  } catch (thrown) {
    throw new InvalidArgumentError(thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
  }
}

async function destinationOf(engine: Engine, target: Ticket | string | DialTarget): Promise<Destination> {
  if (typeof target === 'string') {
    if (isId(target)) return { remoteId: idFromText(target), targets: NOWHERE }
    return destinationOf(engine, new Ticket(target, await engine.parseTicket(target)))
  }
  if (typeof target !== 'object' || target === null)
    throw new InvalidArgumentError('target: must be a ticket or its text, an id, or an id with addresses')
  const carriers = carriersOf(await engine.localAddresses())
  if (target instanceof Ticket)
    return {
      remoteId: target.parts.id,
      targets: { ...reachableAddresses(target.addresses, carriers), ...(!target.anypath && { isForeign: true }) },
    }
  const { id, addresses = [], relays = [], webTransport }: RememberedTarget = target
  const remoteId = idFromText(id)
  if (!Array.isArray(addresses)) throw new InvalidArgumentError('target.addresses: must be an array')
  if (!addresses.every(isAddress)) throw new InvalidArgumentError('target.addresses: each must have a host and a port')
  if (!Array.isArray(relays) || !relays.every((url) => typeof url === 'string'))
    throw new InvalidArgumentError('target.relays: must be an array of URLs')
  return { remoteId, targets: dialTargets(addresses, relays, carriers, webTransport) }
}

function isAddress(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { host, port } = value as Record<string, unknown>
  return typeof host === 'string' && typeof port === 'number'
}

/** The caller's signal and time limit as one thing that a wait can lose against. */
class DialLimit {
  exceeded = false
  readonly #clock: Clock
  readonly #signal: AbortSignal | undefined
  readonly #timer: unknown
  readonly #error: Promise<never>
  #reject!: (reason: Error) => void
  readonly #onAbort = () => this.#exceed(new AbortedError('the dial was aborted', { cause: this.#signal?.reason }))

  constructor(clock: Clock, signal: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#clock = clock
    this.#signal = signal
    this.#error = new Promise((_, reject) => {
      this.#reject = reject
    })
    this.#error.catch(() => {})
    if (signal?.aborted) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort)
    // Longer timers fire at once, and nobody waits for weeks.
    if (timeoutMs !== undefined && timeoutMs < 2 ** 31) {
      const timedOut = () => this.#exceed(new UnreachableError(`no answer within ${timeoutMs} ms`))
      this.#timer = clock.setTimeout(timedOut, timeoutMs)
    }
  }

  /** The promise, unless the limit comes first. */
  bound<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([this.#error, promise])
  }

  lift(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
  }

  #exceed(error: Error): void {
    this.exceeded = true
    this.#reject(error)
  }
}
