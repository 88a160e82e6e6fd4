import type { PublishingPeer } from '../../../src/discovery/index.js'
import { createLanDiscovery, type LanDiscovery, type LanDiscoveryOptions } from '../../../src/discovery/lan/lan.node.js'
import type { Family, Link, LinkEvents } from '../../../src/discovery/lan/link.js'
import { FakeClock } from '../driver/fake-clock.js'

/** What went over a segment. */
export interface Sent {
  readonly atMs: number
  readonly packet: Uint8Array
  readonly family: Family
}

/** A link without a network, in virtual time: what one sends, all who have joined receive, also it itself. The network is 192.0.2.0/24. */
export class FakeSegment {
  readonly clock = new FakeClock()
  readonly sent: Sent[] = []
  /** Why the next attempt to join fails. */
  failure: Error | undefined
  readonly #joined = new Set<LinkEvents>()

  get joined(): number {
    return this.#joined.size
  }

  /** A discovery on this segment. */
  discovery(options: LanDiscoveryOptions = {}): LanDiscovery {
    return createLanDiscovery(options, { clock: this.clock, random: () => 0.5, open: (events) => this.#open(events) })
  }

  /** Something that somebody sends to the group. */
  inject(packet: Uint8Array, { host = '192.0.2.66', port = 5353, family = 4 as Family } = {}): void {
    for (const { received } of this.#joined) received(packet, { host, port, family })
  }

  /** A peer that can be announced. */
  peer(id: string, warnings: string[] = []): PublishingPeer {
    return {
      id,
      clock: this.clock,
      signRecord: () => Promise.reject(new Error('nothing is signed')),
      readRecord: () => Promise.reject(new Error('nothing is read')),
      logger: { debug: () => {}, warn: (message, fields) => warnings.push(`${message}: ${fields?.error}`) },
    }
  }

  async #open(events: LinkEvents): Promise<Link> {
    if (this.failure !== undefined) throw this.failure
    this.#joined.add(events)
    return {
      send: (packet, family) => {
        this.sent.push({ atMs: this.clock.now(), packet, family })
        for (const { received } of this.#joined) received(packet, { host: '192.0.2.1', port: 5353, family })
      },
      isNeighbour: (host) => host.startsWith('192.0.2.'),
      isDialable: (host) => host.startsWith('192.0.2.') && host !== '192.0.2.255',
      close: async () => void this.#joined.delete(events),
    }
  }
}
