import type { TicketAddress } from '../address.js'
import type { Discovery, LookupOptions } from '../discovery.js'
import type { PublishingPeer } from '../record.js'
import type { LanClock, Link, LinkSource, OpenLink } from './link.js'
import { openMulticastLink } from './link.node.js'
import { isAboutService, type LanAnswer, readMessage } from './message.node.js'
import { PacketRate } from './packet-rate.js'
import { LanPublication } from './publication.js'
import { Querier } from './querier.js'
import { Responder } from './responder.js'
import { SharedLink } from './shared-link.js'

const MDNS_PORT = 5353
/** How many packets about the service are looked into each second; a hundred busy peers send a tenth of it. */
const PACKETS_PER_SECOND = 100

/** What is looked for and told on the local network. */
export interface LanDiscoveryOptions {
  /** Whether the peer tells the local network its id and its addresses, so that it is found. @default true */
  readonly announce?: boolean
  /** How long one lookup may take, milliseconds. @default 3000 */
  readonly timeoutMs?: number
}

/** Finds peers on the local network, and is found there. */
export interface LanDiscovery extends Discovery {
  /**
   * How many packets and addresses were dropped, by cause: `flood`, `malformed`, `foreign` (from outside of this machine's links, or not from
   * the port of mDNS), `address` (nothing that can be dialled on these links), `not-open` (a family's socket), `not-joined` (an interface), `not-sent`, `socket-error`.
   */
  readonly drops: Readonly<Record<string, number>>
}

/** What tests put in place of the network and of time. */
export interface LanParts {
  readonly open: OpenLink
  readonly clock: LanClock
  readonly random: () => number
}

/**
 * Finds peers on the same network by mDNS (RFC 6762) as iroh's peers do: both find each other by id alone, without any server.
 *
 * While a peer announces itself, UDP port 5353 is open, shared with the machine's other mDNS programs; otherwise only during lookups. An
 * answer is not signed: anybody on the network can send one, and only dialling shows whether it is true. So nothing but addresses on
 * this machine's own links is taken from it, and no relay.
 */
export function lanDiscovery(options: LanDiscoveryOptions = {}): LanDiscovery {
  const clock = systemLanClock()
  return createLanDiscovery(options, {
    open: (events) => openMulticastLink(events, clock),
    clock,
    random: Math.random,
  })
}

/** A `lanDiscovery` on another network than the machine's. */
export function createLanDiscovery(
  { announce = true, timeoutMs = 3000 }: LanDiscoveryOptions,
  parts: LanParts,
): LanDiscovery {
  const lan = new Lan(parts)
  return {
    name: 'lan',
    drops: lan.drops,
    lookup: (remoteId, lookupOptions) => lan.lookup(remoteId, lookupOptions, timeoutMs),
    ...(announce && { publish: (peer: PublishingPeer) => lan.publish(peer) }),
  }
}

class Lan {
  readonly drops: Record<string, number> = {}
  readonly #parts: LanParts
  readonly #link: SharedLink
  readonly #querier: Querier
  readonly #rate: PacketRate
  readonly #responders = new Map<PublishingPeer, Responder>()

  constructor(parts: LanParts) {
    const { clock, open } = parts
    this.#parts = parts
    this.#rate = new PacketRate(PACKETS_PER_SECOND, () => clock.now())
    const events = {
      received: (packet: Uint8Array, source: LinkSource) => this.#received(packet, source),
      dropped: (cause: string) => this.#drop(cause),
    }
    this.#link = new SharedLink(
      () => open(events),
      () => this.#querier.forget(),
    )
    this.#querier = new Querier({ clock, send: (packet, family) => this.#link.current?.send(packet, family) })
  }

  async lookup(
    remoteId: string,
    { signal, fresh = false }: LookupOptions,
    timeoutMs: number,
  ): Promise<readonly TicketAddress[]> {
    const { clock } = this.#parts
    const ended = new AbortController()
    const end = () => ended.abort()
    const timer = clock.setTimeout(end, timeoutMs)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    try {
      await this.#link.acquire()
      const known = fresh ? undefined : this.#querier.known(remoteId)
      const found = known ?? (await this.#querier.find(remoteId, ended.signal))
      return found.map(({ host, port }) => ({ kind: 'ip', host, port }))
    } finally {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', end)
      void this.#link.release()
    }
  }

  publish(peer: PublishingPeer): LanPublication {
    const { clock, random } = this.#parts
    const responder = new Responder({
      id: peer.id,
      clock,
      random,
      send: (packet, family) => this.#link.current?.send(packet, family),
      others: () => this.#querier.size,
    })
    this.#responders.set(peer, responder)
    return new LanPublication(peer, this.#link, responder, () => this.#responders.delete(peer))
  }

  #received(packet: Uint8Array, source: LinkSource): void {
    if (!isAboutService(packet)) return
    // RFC 6762 sections 6 and 11. Questions from other ports want an answer to themselves alone, which nobody who looks for peers does.
    const link = this.#link.current
    if (source.port !== MDNS_PORT || !link?.isNeighbour(source.host)) return this.#drop('foreign')
    if (!this.#rate.take()) return this.#drop('flood')
    const message = read(packet)
    if (message === undefined) return this.#drop('malformed')
    if (message.kind === 'answers') for (const peer of message.peers) this.#heard(peer, link)
    else for (const responder of this.#responders.values()) responder.asked(message, source.family)
  }

  #heard(peer: LanAnswer, link: Link): void {
    const seen = new Set<string>()
    const addresses = peer.addresses.filter(({ host, port }) => {
      const key = `${host} ${port}`
      if (seen.has(key)) return false
      seen.add(key)
      const dialable = port > 0 && link.isDialable(host)
      if (!dialable) this.#drop('address')
      return dialable
    })
    // Nothing of use was said, and by anybody: what is known holds.
    if (addresses.length === 0 && peer.addresses.length > 0) return
    this.#querier.heard({ ...peer, addresses })
  }

  #drop(cause: string): void {
    this.drops[cause] = (this.drops[cause] ?? 0) + 1
  }
}

function read(packet: Uint8Array): ReturnType<typeof readMessage> | undefined {
  try {
    return readMessage(packet)
  } catch {
    return undefined
  }
}

/** The machine's time, with timers that keep no process alive. */
function systemLanClock(): LanClock {
  return {
    now: () => performance.now(),
    setTimeout: (callback, delayMs) => setTimeout(callback, delayMs).unref(),
    clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
  }
}
