import type { LanAddress, LanAnswer } from './message.node.js'

/** How many peers are remembered, and from how many sources what is said of each. */
const MAX_PEERS = 256
const MAX_SOURCES = 8
/** How many addresses are taken of what one source says of a peer: a dial tries 32 in all. */
const MAX_ADDRESSES = 4
/** How long an answer is believed at most (RFC 6762 section 10). */
const MAX_TTL_MS = 120_000
/** Older stock peers say that their announcements hold for no time at all; they repeat them more often than this. */
const MIN_TTL_MS = 3000

interface Said {
  readonly addresses: readonly LanAddress[]
  readonly untilMs: number
}

/**
 * What has been said of peers, and by whom. Answers are not signed: what one source says of a peer leaves alone what others have said of
 * it, so that nobody can hide it.
 */
export class Neighbours {
  readonly #now: () => number
  readonly #peers = new Map<string, Map<string, Said>>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** How many peers are remembered. */
  get size(): number {
    return this.#peers.size
  }

  /** What was said of a peer not long ago, the latest first. */
  known(id: string): LanAddress[] {
    const sources = this.#peers.get(id)
    if (sources === undefined) return []
    for (const [source, { untilMs }] of sources) if (untilMs <= this.#now()) sources.delete(source)
    if (sources.size === 0) this.#peers.delete(id)
    return distinct([...sources.values()].reverse().flatMap(({ addresses }) => addresses))
  }

  /**
   * Takes what a source says of a peer, in place of what it said before.
   *
   * @returns the addresses that are taken: whoever answers is likely to be where the packet came from.
   */
  heard({ id, addresses, ttlSeconds }: LanAnswer, source: string): readonly LanAddress[] {
    const sources = this.#peers.get(id) ?? new Map<string, Said>()
    // Whoever has been silent the longest is forgotten first.
    this.#peers.delete(id)
    sources.delete(source)
    const taken = [...addresses]
      .sort((one, other) => Number(other.host === source) - Number(one.host === source))
      .slice(0, MAX_ADDRESSES)
    const ttlMs = Math.max(MIN_TTL_MS, Math.min(MAX_TTL_MS, ttlSeconds * 1000))
    if (taken.length > 0) sources.set(source, { addresses: taken, untilMs: this.#now() + ttlMs })
    if (sources.size > 0) this.#peers.set(id, sources)
    shorten(sources, MAX_SOURCES)
    shorten(this.#peers, MAX_PEERS)
    return taken
  }

  clear(): void {
    this.#peers.clear()
  }
}

function shorten(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return
    map.delete(key)
  }
}

function distinct(addresses: readonly LanAddress[]): LanAddress[] {
  return [...new Map(addresses.map((address) => [`${address.host} ${address.port}`, address])).values()]
}
