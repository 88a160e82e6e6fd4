import type { TicketAddress } from '../address.js'
import type { Discovery, Publication } from '../discovery.js'
import type { PublishingPeer } from '../record.js'
import type { LanDiscovery } from './lan.node.js'
import { isAnnounced } from './publication.js'

/**
 * `lanDiscovery` as peers have it by default: its code is loaded, and the network joined, when there is somebody to look for, or an
 * address to tell. A peer that is bound to loopback and dials by tickets never comes to that.
 */
export function lazyLanDiscovery(announce: boolean): Discovery {
  let loading: Promise<LanDiscovery> | undefined
  const load = () => {
    loading ??= import('./lan.node.js').then(({ lanDiscovery }) => lanDiscovery({ announce }))
    return loading
  }
  return {
    name: 'lan',
    lookup: async (remoteId, options) => (await load()).lookup(remoteId, options),
    ...(announce && { publish: (peer: PublishingPeer) => new LazyPublication(peer, load) }),
  }
}

class LazyPublication implements Publication {
  readonly #peer: PublishingPeer
  readonly #load: () => Promise<LanDiscovery>
  #addresses: readonly TicketAddress[] = []
  #opening: Promise<void> | undefined
  #inner: Publication | undefined
  #isClosed = false

  constructor(peer: PublishingPeer, load: () => Promise<LanDiscovery>) {
    this.#peer = peer
    this.#load = load
  }

  update(addresses: readonly TicketAddress[]): void {
    this.#addresses = addresses
    this.#inner?.update(addresses)
    if (this.#opening === undefined && addresses.some(isAnnounced)) this.#opening = this.#open()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#opening
    await this.#inner?.close()
  }

  async #open(): Promise<void> {
    const lan = await this.#load()
    if (this.#isClosed) return
    this.#inner = lan.publish?.(this.#peer)
    this.#inner?.update(this.#addresses)
  }
}
