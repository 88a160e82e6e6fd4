import { createError } from '../errors/index.js'
import type { TicketAddress } from './address.js'
import type { Discovery, LookupOptions } from './discovery.js'
import { PkarrRelay } from './pkarr-relay.js'
import type { SignedRecord } from './record.js'

/** How many peers' records are kept. */
const MAX_KEPT = 1024

/** Where and how signed records are looked up. */
export interface PkarrDiscoveryOptions {
  /**
   * A relay of pkarr, by HTTP. Records are asked for at `<url>/<id in z-base-32>`, and at `<url>/pkarr/<id>` when the URL has no path: both
   * `https://dns.example` and `https://dns.example/pkarr` name an `iroh-dns-server` at that host.
   */
  readonly url: string
  /** How long one lookup may take, milliseconds. @default 5000 */
  readonly timeoutMs?: number
  /** How long an answer is used again, milliseconds. @default 30_000 */
  readonly cacheMs?: number
  /** @default the platform's `fetch` */
  readonly fetch?: typeof fetch
  /** Milliseconds on a monotonic clock. @default `performance.now` */
  readonly now?: () => number
}

interface Kept {
  readonly record: SignedRecord
  readonly atMs: number
}

/**
 * Finds peers by the records that they have signed and put on a relay of pkarr, as iroh's peers do.
 *
 * The relay can withhold a record but not forge one; a record older than one that was seen before is not used. The relay learns who is
 * looked up from where.
 *
 * @throws InvalidArgumentError when the URL is not one of HTTP.
 */
export function pkarrDiscovery(options: PkarrDiscoveryOptions): Discovery {
  const relay = new PkarrRelay(options.url, options.fetch)
  const timeoutMs = options.timeoutMs ?? 5000
  const cacheMs = options.cacheMs ?? 30_000
  const now = options.now ?? (() => performance.now())
  const kept = new Map<string, Kept>()

  async function lookup(
    remoteId: string,
    { signal, readRecord, fresh = false }: LookupOptions,
  ): Promise<readonly TicketAddress[]> {
    if (readRecord === undefined) throw createError('InvalidArgument', 'a lookup by pkarr needs a reader of records')
    const earlier = kept.get(remoteId)
    if (!fresh && earlier !== undefined && now() - earlier.atMs < cacheMs) return earlier.record.addresses
    const packet = await relay.get(remoteId, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]))
    if (packet === undefined) {
      kept.delete(remoteId)
      return []
    }
    return keep(remoteId, await readRecord(remoteId, packet)).addresses
  }

  /** Keeps the newer one of the record and that which was seen before. */
  function keep(remoteId: string, record: SignedRecord): SignedRecord {
    const earlier = kept.get(remoteId)?.record
    const newest = earlier !== undefined && earlier.timestampMicros > record.timestampMicros ? earlier : record
    // Whoever was looked up the longest ago is forgotten first.
    kept.delete(remoteId)
    kept.set(remoteId, { record: newest, atMs: now() })
    const [oldest] = kept.keys()
    if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest)
    return newest
  }

  return { name: `pkarr ${relay.origin}`, lookup }
}
