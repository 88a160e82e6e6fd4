import { createError } from '../errors/index.js'
import { DropCounts } from './drops.js'
import type { Transport, TransportAddress, TransportEvents } from './transport.js'

/** What a hub needs of a clock; the driver's `Clock` has it. */
export interface MemoryClock {
  now(): number
  setTimeout(callback: () => void, delayMs: number): unknown
  setImmediate(callback: () => void): void
}

export interface MemoryHubOptions {
  readonly clock: MemoryClock
  /** One-way delay. @default 0 */
  readonly delayMs?: number
  /** Bytes per second that one port sends; more waits in its queue. @default unlimited */
  readonly bytesPerSecond?: number
  /** Decides for each packet whether it is lost. @default none is */
  readonly loses?: (packet: Uint8Array, from: TransportAddress, to: TransportAddress) => boolean
  /** @default 1452 */
  readonly maxPacketBytes?: number
  /** Bytes that one port's queue takes. @default 1_048_576 */
  readonly queueBytes?: number
}

/** A network in memory: ports with virtual addresses that send packets to each other, with delay and loss as the test says. */
export class MemoryHub {
  readonly options: Required<Omit<MemoryHubOptions, 'loses'>> & Pick<MemoryHubOptions, 'loses'>
  readonly #ports = new Map<string, MemoryPort>()

  constructor(options: MemoryHubOptions) {
    this.options = {
      delayMs: 0,
      bytesPerSecond: Number.POSITIVE_INFINITY,
      maxPacketBytes: 1452,
      queueBytes: 1 << 20,
      ...options,
    }
  }

  /** A transport with that address; it is reachable from `start` to `close`. */
  port(host: string, port: number): Transport {
    return new MemoryPort(this, { host, port })
  }

  /** @internal */
  attach(port: MemoryPort): void {
    const key = keyOf(port.address)
    if (this.#ports.has(key)) throw createError('AddressInUse', `${key} is taken in this hub`)
    this.#ports.set(key, port)
  }

  /** @internal */
  detach(port: MemoryPort): void {
    if (this.#ports.get(keyOf(port.address)) === port) this.#ports.delete(keyOf(port.address))
  }

  /** @internal */
  deliver(from: TransportAddress, to: TransportAddress, packet: Uint8Array): void {
    this.#ports.get(keyOf(to))?.arrive(from, packet)
  }
}

class MemoryPort implements Transport {
  readonly kind = 'memory'
  readonly discoversMtu = true
  readonly address: TransportAddress
  readonly #hub: MemoryHub
  readonly #drops = new DropCounts()
  #events: TransportEvents | undefined
  #queued = 0
  #busyUntil = 0
  #blocked = false

  constructor(hub: MemoryHub, address: TransportAddress) {
    this.#hub = hub
    this.address = address
  }

  get maxPacketBytes(): number {
    return this.#hub.options.maxPacketBytes
  }

  get writableBytes(): number {
    const free = this.#hub.options.queueBytes - this.#queued
    if (free <= 0) this.#blocked = true
    return Math.max(0, free)
  }

  /** Always zero: packets are copied when they are sent. */
  get queuedBytes(): number {
    return 0
  }

  get drops(): Readonly<Record<string, number>> {
    return this.#drops.counts
  }

  async start(events: TransportEvents): Promise<void> {
    this.#hub.attach(this)
    this.#events = events
  }

  localAddresses(): readonly TransportAddress[] {
    return this.#events ? [this.address] : []
  }

  send(address: TransportAddress, packets: Uint8Array<ArrayBuffer>, segmentBytes: number): void {
    const step = segmentBytes === 0 ? packets.length : segmentBytes
    for (let start = 0; start < packets.length; start += step)
      this.#sendOne(address, packets.slice(start, start + step))
  }

  async close(): Promise<void> {
    this.#hub.detach(this)
    this.#events = undefined
  }

  arrive(from: TransportAddress, packet: Uint8Array): void {
    this.#events?.receive(from.host, from.port, packet, 0)
  }

  #sendOne(to: TransportAddress, packet: Uint8Array): void {
    const { clock, delayMs, bytesPerSecond, loses } = this.#hub.options
    const { address } = this
    const refused = this.#refusal(packet.length)
    if (refused !== undefined) {
      this.#drops.add(refused)
      return
    }
    this.#queued += packet.length
    const now = clock.now()
    this.#busyUntil = Math.max(this.#busyUntil, now) + (packet.length / bytesPerSecond) * 1000
    this.#after(this.#busyUntil - now, () => {
      this.#queued -= packet.length
      this.#unblock()
    })
    if (loses?.(packet, address, to)) return
    this.#after(this.#busyUntil - now + delayMs, () => this.#hub.deliver(address, to, packet))
  }

  #refusal(bytes: number): string | undefined {
    const { queueBytes, maxPacketBytes } = this.#hub.options
    if (!this.#events) return 'closed'
    if (bytes > maxPacketBytes) return 'too-large'
    return this.#queued + bytes > queueBytes ? 'queue-full' : undefined
  }

  #after(delayMs: number, callback: () => void): void {
    const { clock } = this.#hub.options
    if (delayMs > 0) clock.setTimeout(callback, delayMs)
    else clock.setImmediate(callback)
  }

  #unblock(): void {
    if (!this.#blocked) return
    this.#blocked = false
    this.#events?.writable()
  }
}

function keyOf({ host, port }: TransportAddress): string {
  return `[${host}]:${port}`
}
