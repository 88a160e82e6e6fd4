import type { Clock } from '../driver/clock.js'
import type { RelayInfo } from '../driver/engine.js'
import {
  AbortedError,
  type AnypathError,
  KeyInUseError,
  NoRelayConfiguredError,
  RelayDeniedError,
  RelayUnreachableError,
} from '../errors/index.js'
import { type Deferred, deferred } from './deferred.js'

/** How long `online` waits. */
export interface OnlineOptions {
  /** Gives up when it fires: the call rejects with `AbortedError`, and the signal's reason as `cause`. */
  readonly signal?: AbortSignal
  /** Gives up after this many milliseconds, with `RelayUnreachableError`. @default 10_000 */
  readonly timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 10_000

/** What a peer knows of its relays, and who waits for the home relay. */
export class PeerRelays {
  readonly #clock: Clock
  readonly #byUrl = new Map<string, RelayInfo>()
  readonly #waiting = new Set<Deferred<RelayInfo>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The home relay, connected or not. */
  get home(): RelayInfo | undefined {
    return this.all().find(({ home }) => home)
  }

  all(): readonly RelayInfo[] {
    return [...this.#byUrl.values()]
  }

  /** Takes in what the engine told; of relays that events have told of since, it is old. */
  load(relays: readonly RelayInfo[]): void {
    for (const relay of relays) if (!this.#byUrl.has(relay.url)) this.#byUrl.set(relay.url, relay)
  }

  apply(relay: RelayInfo): void {
    if (relay.state === 'closed' && !relay.home) this.#byUrl.delete(relay.url)
    else this.#byUrl.set(relay.url, relay)
    if (isOnline(relay)) for (const waiter of this.#settle()) waiter.resolve(relay)
    else {
      const refusal = this.#refusal()
      if (refusal !== undefined) for (const waiter of this.#settle()) waiter.reject(refusal)
    }
  }

  /** Resolves when the home relay is connected. */
  async online({ signal, timeoutMs = DEFAULT_TIMEOUT_MS }: OnlineOptions): Promise<RelayInfo> {
    const { home } = this
    if (home !== undefined && isOnline(home)) return home
    if (this.#byUrl.size === 0) throw new NoRelayConfiguredError('this peer has no relay')
    const refusal = this.#refusal()
    if (refusal !== undefined) throw refusal
    const waiter = deferred<RelayInfo>()
    const give = (error: AnypathError) => {
      this.#waiting.delete(waiter)
      waiter.reject(error)
    }
    const onAbort = () => give(new AbortedError('waiting for the relay was aborted', { cause: signal?.reason }))
    if (signal?.aborted) throw new AbortedError('waiting for the relay was aborted', { cause: signal.reason })
    this.#waiting.add(waiter)
    signal?.addEventListener('abort', onAbort)
    const late = () =>
      give(new RelayUnreachableError(`no relay was connected within ${timeoutMs} ms${this.#lastDetail()}`))
    const timer = this.#clock.setTimeout(late, Math.min(timeoutMs, 2 ** 31 - 1))
    try {
      return await waiter.promise
    } finally {
      this.#clock.clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Rejects who waits: the peer is closed. */
  close(error: AnypathError): void {
    for (const waiter of this.#settle()) waiter.reject(error)
  }

  /** Why waiting is in vain: every relay refuses this peer. */
  #refusal(): AnypathError | undefined {
    const relays = this.all()
    if (relays.length === 0) return undefined
    if (!relays.every(({ state, cause }) => state === 'waiting' && (cause === 'denied' || cause === 'key-in-use')))
      return undefined
    const [{ url, cause, detail } = { url: '', cause: '', detail: '' }] = relays
    const said = detail === undefined ? '' : `: ${detail}`
    return cause === 'denied'
      ? new RelayDeniedError(`${url} does not serve this peer${said}`)
      : new KeyInUseError(`this key is connected to ${url} from elsewhere${said}`)
  }

  #lastDetail(): string {
    const detail = this.all().find((relay) => relay.detail !== undefined)?.detail
    return detail === undefined ? '' : ` (${detail})`
  }

  #settle(): Deferred<RelayInfo>[] {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    return waiting
  }
}

function isOnline({ home, state }: RelayInfo): boolean {
  return home && state === 'connected'
}
