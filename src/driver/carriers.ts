import type { SocketAddress } from '../core/address.js'
import type { Core } from '../core/core.js'
import { isRelay } from '../core/relay.js'
import { isSession } from '../core/session.js'
import type { AnypathError } from '../errors/index.js'
import { createError } from '../errors/index.js'
import type { Transport, TransportAddress } from '../transport/transport.js'
import { type Channels, isChannel } from './channels.js'
import type { Clock } from './clock.js'
import type { EngineAddress, PathInfo } from './engine.js'
import type { Relays } from './relays.js'
import { type SocketOwner, Sockets } from './sockets.js'
import type { WebTransports } from './web-transports.js'

export interface CarrierEvents {
  /** A packet or room for packets came: something is to do soon. */
  readonly ready: () => void
  readonly changed: () => void
  /** A carrier is gone; the core is to be told when no drain is running. */
  readonly failed: (id: number, cause: Error) => void
  /** Calls the core when no drain is running. */
  readonly tell: (call: () => void) => void
}

/** The transports of one engine under the ids that the core knows them by. */
export class Carriers {
  readonly relays: Relays
  /** What the core asks for beside them. */
  readonly sockets: Sockets
  /** Sessions that this peer has opened. */
  readonly sessions: WebTransports
  /** Data channels with peers. */
  readonly channels: Channels
  readonly #core: Core
  readonly #byId = new Map<number, Transport>()
  #malformed = 0

  constructor(
    core: Core,
    clock: Clock,
    transports: readonly Transport[],
    parts: { readonly relays: Relays; readonly sessions: WebTransports; readonly channels: Channels },
  ) {
    this.#core = core
    this.relays = parts.relays
    this.sessions = parts.sessions
    this.channels = parts.channels
    // Carrier 0 is real UDP on the main socket; everything else has virtual addresses in the core.
    const main = transports.find(({ kind }) => kind === 'udp')
    this.sockets = new Sockets(core, clock, main)
    let next = 1
    for (const transport of transports) this.#byId.set(transport === main ? 0 : next++, transport)
  }

  /** Opens all of them and tells the core; when one fails, those that are open are closed again. */
  async start(events: CarrierEvents): Promise<void> {
    const owner: SocketOwner = {
      receive: (id, host, port, data, ecn) => this.#receive(id, host, port, data, ecn),
      ready: events.ready,
      tell: events.tell,
    }
    this.sockets.start(owner)
    this.sessions.start(owner)
    try {
      await this.channels.start(owner)
      for (const [id, transport] of this.#byId) await this.#startOne(id, transport, events)
    } catch (thrown) {
      await this.close()
      throw thrown
    }
  }

  async #startOne(id: number, transport: Transport, events: CarrierEvents): Promise<void> {
    await transport.start({
      receive: (host, port, data, ecn) => {
        this.#receive(id, host, port, data, ecn)
        events.ready()
      },
      writable: events.ready,
      changed: events.changed,
      failed: (cause) => {
        this.#byId.delete(id)
        events.failed(id, cause)
      },
    })
    this.#core.setCarrier(id, transport.kind, transport.maxPacketBytes)
  }

  /** Sends packets by a carrier; those for one that is gone are lost, as they would be on the way. */
  send(id: number, address: TransportAddress, packets: Uint8Array<ArrayBuffer>, segmentBytes: number): void {
    const session = this.sessions.find(id)
    if (session) return session.open?.session.send(packets, segmentBytes)
    if (this.channels.send(id, packets, segmentBytes)) return
    const transport = this.#byId.get(id) ?? this.sockets.get(id)
    transport?.send(address, packets, segmentBytes)
  }

  /** What the least busy carrier takes: a full one drops what is beyond its queue, and must not hold up the others. */
  get writableBytes(): number {
    // Beside an open session or channel relays are backups: their room must not hide that it has none.
    const { sessions, channels, relays } = this
    let most = Math.max(sessions.writableBytes ?? -1, channels.writableBytes ?? -1)
    if (most < 0) most = relays.writableBytes
    for (const transport of this.#byId.values()) most = Math.max(most, transport.writableBytes)
    return most
  }

  /** Whether a carrier still reads the packets of the last drain. */
  get queued(): boolean {
    for (const transport of this.#byId.values()) if (transport.queuedBytes > 0) return true
    return this.sockets.queued
  }

  get size(): number {
    return this.#byId.size
  }

  /** A place behind a carrier, as the API shows it. */
  place(id: number, { host, port }: SocketAddress): Pick<PathInfo, 'kind' | 'host' | 'port' | 'relay' | 'tcp'> {
    const session = this.sessions.find(id)
    if (session || isSession(id)) return { kind: 'webtransport', host, port, ...session?.at }
    if (isChannel(id)) return { kind: 'webrtc', host: '', port: 0, ...this.channels.place(id) }
    if (!isRelay(id)) return { kind: this.#byId.get(id)?.kind ?? 'udp', host, port }
    const relay = this.relays.find(id)?.url ?? ''
    return { kind: 'relay', ...hostOf(relay), relay }
  }

  localAddresses(): EngineAddress[] {
    return [...this.#byId].flatMap(([carrier, transport]) =>
      transport.localAddresses().map(({ host, port }) => ({ carrier, transport: transport.kind, host, port })),
    )
  }

  /** Drop counts of all carriers by cause. */
  drops(): Record<string, number> {
    const sum: Record<string, number> = this.#malformed > 0 ? { malformed: this.#malformed } : {}
    for (const { drops } of this.#byId.values()) {
      for (const [cause, count] of Object.entries(drops)) sum[cause] = (sum[cause] ?? 0) + count
    }
    this.sockets.addDrops(sum)
    this.sessions.addDrops(sum)
    this.channels.addDrops(sum)
    if (this.relays.dropped > 0) sum['relay-queue-full'] = this.relays.dropped
    return sum
  }

  async close(): Promise<void> {
    const transports = [...this.#byId.values()]
    this.#byId.clear()
    this.relays.closeAll()
    this.sessions.closeAll()
    await Promise.all([
      this.channels.closeAll(),
      this.sockets.closeAll(),
      ...transports.map((transport) => transport.close()),
    ])
  }

  #receive(id: number, host: string, port: number, data: Uint8Array, ecn: number): void {
    const address = this.#core.addresses.encode(host, port)
    if (address === undefined || !this.#push(id, address, data, ecn)) this.#malformed += 1
  }

  #push(id: number, address: Uint8Array, data: Uint8Array, ecn: number): boolean {
    try {
      return this.#core.pushDatagram(id, address, ecn, data)
    } catch {
      // The core has panicked, which its owner was told; a transport must not see it.
      return false
    }
  }
}

/** The error when the last carrier is gone. */
export function carriersLost(cause: Error): AnypathError {
  return createError('TransportFailed', cause.message, { cause })
}

function hostOf(url: string): { host: string; port: number } {
  if (!URL.canParse(url)) return { host: '', port: 0 }
  const { protocol, hostname, port } = new URL(url)
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (protocol === 'http:' ? 80 : 443) : Number(port),
  }
}
