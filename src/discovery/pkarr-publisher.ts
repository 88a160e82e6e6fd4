import { InvalidArgumentError } from '../errors/index.js'
import type { Discovery } from './discovery.js'
import { PkarrPublication } from './pkarr-publication.js'
import { PkarrRelay } from './pkarr-relay.js'

/** One character string of a TXT record, less the key and the mark of anypath's peers. */
const MAX_USER_DATA_BYTES = 235
/** What the mark begins with. */
const MARK = 'anypath:'

/** Where, what and how often a peer publishes about itself. Times are milliseconds unless they say otherwise. */
export interface PkarrPublisherOptions {
  /** A relay of pkarr, as `PkarrDiscoveryOptions.url` names it. */
  readonly url: string
  /**
   * What is published: relays alone, so that no IP address of this peer is told to the public unasked, or all addresses.
   *
   * @default 'relay-only'
   */
  readonly publish?: 'relay-only' | 'all'
  /** What the application adds: at most 235 bytes of UTF-8. Stock iroh peers read it up to its first `=`. @default nothing */
  readonly userData?: string
  /** How long DNS caches may keep the record, seconds. @default 30 */
  readonly ttlSeconds?: number
  /** How often an unchanged record is published again, since relays forget. @default 300_000 */
  readonly republishMs?: number
  /** How long a record without any address left stays before it is withdrawn; a relay may be back by then. @default 30_000 */
  readonly withdrawAfterMs?: number
  /** How long one request may take. @default 10_000 */
  readonly timeoutMs?: number
  /** How long withdrawing may take when the peer closes. @default 2000 */
  readonly closeTimeoutMs?: number
  /** How long after the first failure in a row another try is made; doubled with each further one, up to a minute. @default 1000 */
  readonly retryMs?: number
  /** @default the platform's `fetch` */
  readonly fetch?: typeof fetch
}

/**
 * Publishes where a peer can be reached as a signed record on a relay of pkarr, where iroh's peers and `pkarrDiscovery` find it.
 *
 * A record is published when the addresses change and every five minutes, and only while there is something to publish: with
 * `publish: 'relay-only'` never while no relay is connected. It is withdrawn, by an empty record, when nothing is left for half a minute
 * and when the peer closes. It finds nobody.
 *
 * @throws InvalidArgumentError when the URL is not one of HTTP, or the user data is too long or begins with `anypath:`.
 */
export function pkarrPublisher(options: PkarrPublisherOptions): Discovery {
  checkUserData(options.userData ?? '')
  const relay = new PkarrRelay(options.url, options.fetch)
  return {
    name: `pkarr publisher ${relay.origin}`,
    lookup: async () => [],
    publish: (peer) =>
      new PkarrPublication(peer, relay, {
        relayOnly: options.publish !== 'all',
        userData: options.userData,
        ttlSeconds: options.ttlSeconds ?? 30,
        republishMs: options.republishMs ?? 300_000,
        withdrawAfterMs: options.withdrawAfterMs ?? 30_000,
        timeoutMs: options.timeoutMs ?? 10_000,
        closeTimeoutMs: options.closeTimeoutMs ?? 2000,
        retryMs: options.retryMs ?? 1000,
      }),
  }
}

function checkUserData(userData: string): void {
  const length = new TextEncoder().encode(userData).length
  if (length > MAX_USER_DATA_BYTES)
    throw new InvalidArgumentError(`user data of ${length} bytes is longer than ${MAX_USER_DATA_BYTES}`)
  if (userData.startsWith(MARK)) throw new InvalidArgumentError(`user data must not begin with "${MARK}"`)
}
