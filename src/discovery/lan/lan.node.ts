import type { TicketAddress } from '../address.js'
import type { Discovery, LookupOptions } from '../discovery.js'
import type { PublishingPeer } from '../record.js'
import type { LanClock, Link, LinkSource, OpenLink } from './link.js'
import { openMulticastLink } from './link.node.js'
import { isAboutService, type LanAddress, type LanAnswer, readMessage } from './message.node.js'
import { PacketRates } from './packet-rate.js'
import { LanPublication } from './publication.js'
import { Querier } from './querier.js'
import { Responder } from './responder.js'
import { SharedLink } from './shared-link.js'

const MDNS_PORT = 5353
/** How many addresses one lookup tells; a dial tries no more. */
const MAX_FOUND = 32

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
  readonly #rate: PacketRates
  readonly #responders = new Map<PublishingPeer, Responder>()

  constructor(parts: LanParts) {
    const { clock, open } = parts
    this.#parts = parts
    this.#rate = new PacketRates(() => clock.now())
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

  /** Gives what is known or heard first; what else is heard until the signal fires goes to `more`. */
  async lookup(
    remoteId: string,
    { signal, fresh = false, more }: LookupOptions,
    timeoutMs: number,
  ): Promise<readonly TicketAddress[]> {
    const { clock } = this.#parts
    const watch = new AbortController()
    const end = () => watch.abort()
    let timer: unknown
    watch.signal.addEventListener('abort', () => {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', end)
      void this.#link.release()
    })
    const link = this.#link.acquire()
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
    else timer = clock.setTimeout(end, timeoutMs)
    try {
      await link
      const found = await this.#first(remoteId, fresh, watch.signal, more)
      clock.clearTimeout(timer)
      if (more === undefined) end()
      return found
    } catch (thrown) {
      end()
      throw thrown
    }
  }

  #first(
    remoteId: string,
    fresh: boolean,
    signal: AbortSignal,
    more: LookupOptions['more'],
  ): Promise<readonly TicketAddress[]> {
    const told = new Set<string>()
    const news = (addresses: readonly LanAddress[]) =>
      addresses.flatMap(({ host, port }): TicketAddress[] => {
        const key = `${host} ${port}`
        if (told.has(key) || told.size >= MAX_FOUND) return []
        told.add(key)
        return [{ kind: 'ip', host, port }]
      })
    const known = fresh ? [] : news(this.#querier.known(remoteId))
    return new Promise((resolve) => {
      let isFirst = known.length === 0
      if (!isFirst) resolve(known)
      signal.addEventListener('abort', () => resolve([]), { once: true })
      if (signal.aborted) resolve([])
      this.#querier.watch(remoteId, signal, isFirst, (addresses) => {
        const found = news(addresses)
        if (found.length === 0) return
        if (!isFirst) return more?.(found)
        isFirst = false
        resolve(found)
      })
    })
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
    if (!this.#rate.take(source.host)) return this.#drop('flood')
    const message = read(packet)
    if (message === undefined) return this.#drop('malformed')
    if (message.kind === 'answers') for (const peer of message.peers) this.#heard(peer, source.host, link)
    else for (const responder of this.#responders.values()) responder.asked(message, source.family)
  }

  #heard(peer: LanAnswer, source: string, link: Link): void {
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
    this.#querier.heard({ ...peer, addresses }, source)
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
