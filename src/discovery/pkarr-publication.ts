import { InvalidRecordError, TransportFailedError } from '../errors/index.js'
import type { TicketAddress } from './address.js'
import type { Publication } from './discovery.js'
import type { PkarrRelay, PutOutcome } from './pkarr-relay.js'
import type { PublishedContent, PublishingPeer } from './record.js'

/** Changes that follow one another more closely than this are published together. */
const MIN_INTERVAL_MS = 1000
const MAX_RETRY_MS = 60_000
/** The longest wait that a relay's `Retry-After` can impose. */
const MAX_RETRY_AFTER_MS = 300_000

/** `PkarrPublisherOptions` with every default in place. */
export interface PublicationSettings {
  readonly relayOnly: boolean
  readonly userData: string | undefined
  readonly ttlSeconds: number
  readonly republishMs: number
  readonly withdrawAfterMs: number
  readonly timeoutMs: number
  readonly closeTimeoutMs: number
  readonly retryMs: number
}

/** The record of one peer on one relay: one request at a time, the latest addresses each time. */
export class PkarrPublication implements Publication {
  readonly #peer: PublishingPeer
  readonly #relay: PkarrRelay
  readonly #settings: PublicationSettings
  readonly #closing = new AbortController()
  /** What can be published now; empty: nothing. */
  #addresses: readonly TicketAddress[] = []
  #key = '[]'
  /** Whether a record with addresses of ours is, or may be, on the relay. */
  #exposed = false
  /** The newest timestamp that is known to be on the relay or was ever signed. */
  #timestampMicros = 0
  #learned = false
  #failures = 0
  #lastStartMs = Number.NEGATIVE_INFINITY
  #timer: unknown
  #running: Promise<void> | undefined
  #closed: Promise<void> | undefined

  constructor(peer: PublishingPeer, relay: PkarrRelay, settings: PublicationSettings) {
    this.#peer = peer
    this.#relay = relay
    this.#settings = settings
  }

  update(addresses: readonly TicketAddress[]): void {
    if (this.#closed !== undefined) return
    const wanted = addresses.filter(({ kind }) => kind === 'relay' || (!this.#settings.relayOnly && kind !== 'unknown'))
    const key = JSON.stringify(wanted, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))
    if (key === this.#key) return
    this.#addresses = wanted
    this.#key = key
    this.#failures = 0
    if (this.#running === undefined) this.#scheduleChange()
  }

  close(): Promise<void> {
    this.#closed ??= this.#withdraw()
    return this.#closed
  }

  /** What was changed, or never published, is published soon. */
  #scheduleChange(): void {
    if (this.#addresses.length > 0) {
      const sinceMs = this.#peer.clock.epochMs() - this.#lastStartMs
      // A clock that was set back must not delay anything for longer than the interval.
      const waitMs = sinceMs >= 0 && sinceMs < MIN_INTERVAL_MS ? MIN_INTERVAL_MS - sinceMs : 0
      this.#schedule(waitMs)
    } else if (this.#exposed) {
      this.#schedule(this.#settings.withdrawAfterMs)
    } else {
      this.#unschedule()
    }
  }

  #schedule(delayMs: number): void {
    this.#unschedule()
    this.#timer = this.#peer.clock.setTimeout(() => {
      this.#timer = undefined
      this.#running = this.#run()
    }, delayMs)
  }

  #unschedule(): void {
    if (this.#timer !== undefined) this.#peer.clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Publishes what is to be published now, and arranges for the next time. Never rejects. */
  async #run(): Promise<void> {
    this.#lastStartMs = this.#peer.clock.epochMs()
    const key = this.#key
    const retryInMs = await this.#publish()
    this.#running = undefined
    if (this.#closed !== undefined) return
    if (key !== this.#key) this.#scheduleChange()
    else if (retryInMs !== undefined) this.#schedule(retryInMs)
    else if (this.#addresses.length > 0) this.#schedule(this.#settings.republishMs)
  }

  /** One try; how long to wait before the next one, `undefined` when it went well. */
  async #publish(): Promise<number | undefined> {
    const { logger } = this.#peer
    const relay = this.#relay.origin
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(this.#settings.timeoutMs)])
      const outcome = await this.#put(this.#addresses, signal)
      if (outcome.kind === 'stored') {
        this.#failures = 0
        logger?.debug('published an address record', { relay, addresses: this.#addresses.length })
        return undefined
      }
      logger?.warn('a pkarr relay did not take the address record', { relay, status: outcome.status })
      return this.#retryMs(outcome)
    } catch (thrown) {
      if (this.#closed !== undefined) return undefined
      logger?.warn('an address record could not be published', { relay, error: messageOf(thrown) })
      return this.#retryMs(undefined)
    }
  }

  #retryMs(outcome: PutOutcome | undefined): number {
    this.#failures += 1
    if (outcome?.kind === 'refused') return this.#settings.republishMs
    const backoffMs = Math.min(this.#settings.retryMs * 2 ** Math.min(this.#failures - 1, 16), MAX_RETRY_MS)
    const askedMs = outcome?.kind === 'unavailable' ? Math.min(outcome.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) : 0
    return Math.max(backoffMs, askedMs)
  }

  /** Puts a record; a relay that has a newer one is given a still newer one. */
  async #put(addresses: readonly TicketAddress[], signal: AbortSignal): Promise<PutOutcome> {
    // Relays silently keep what is newer, so a record that was made with a clock ahead of ours would hide ours.
    if (!this.#learned) await this.#learnIfAnswered(signal)
    const outcome = await this.#putOnce(addresses, signal)
    if (outcome.kind !== 'conflict') return outcome
    this.#peer.logger?.warn('a pkarr relay has a newer address record: is the key in use elsewhere?', {
      relay: this.#relay.origin,
      status: outcome.status,
    })
    await this.#learn(signal)
    return this.#putOnce(addresses, signal)
  }

  async #putOnce(addresses: readonly TicketAddress[], signal: AbortSignal): Promise<PutOutcome> {
    this.#timestampMicros = Math.max(Math.floor(this.#peer.clock.epochMs() * 1000), this.#timestampMicros + 1)
    const { userData, ttlSeconds } = this.#settings
    const content: PublishedContent =
      addresses.length > 0 && userData !== undefined ? { addresses, userData } : { addresses }
    const packet = await this.#peer.signRecord(content, ttlSeconds, this.#timestampMicros)
    signal.throwIfAborted()
    // Even when no answer comes, the record may have arrived.
    if (addresses.length > 0) this.#exposed = true
    const outcome = await this.#relay.put(this.#peer.id, packet, signal)
    if (outcome.kind === 'stored' && addresses.length === 0) this.#exposed = false
    return outcome
  }

  /** A relay that does not answer this may still take a record. */
  async #learnIfAnswered(signal: AbortSignal): Promise<void> {
    try {
      await this.#learn(signal)
    } catch (thrown) {
      if (signal.aborted || !(thrown instanceof TransportFailedError)) throw thrown
    }
  }

  /** Learns when the record that the relay has was made; one that is not signed by this peer's key is none. */
  async #learn(signal: AbortSignal): Promise<void> {
    const packet = await this.#relay.get(this.#peer.id, signal)
    if (packet !== undefined) {
      const record = await this.#peer.readRecord(this.#peer.id, packet).catch(() => undefined)
      const timestampMicros = record === undefined ? 0 : Number(record.timestampMicros)
      if (timestampMicros >= Number.MAX_SAFE_INTEGER)
        throw new InvalidRecordError('the address record on the relay is newer than any that can be made')
      this.#timestampMicros = Math.max(this.#timestampMicros, timestampMicros)
    }
    this.#learned = true
  }

  async #withdraw(): Promise<void> {
    this.#unschedule()
    this.#closing.abort()
    await this.#running
    if (!this.#exposed) return
    const relay = this.#relay.origin
    try {
      const outcome = await this.#put([], AbortSignal.timeout(this.#settings.closeTimeoutMs))
      if (outcome.kind === 'stored') return
      this.#peer.logger?.warn('an address record could not be withdrawn', { relay, status: outcome.status })
    } catch (thrown) {
      this.#peer.logger?.warn('an address record could not be withdrawn', { relay, error: messageOf(thrown) })
    }
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
