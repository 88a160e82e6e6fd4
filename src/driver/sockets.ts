import type { Core } from '../core/core.js'
import type { Transport, TransportEvents } from '../transport/transport.js'
import type { Clock } from './clock.js'

/** How many sockets are opened in one turn of the platform's event loop, so that nothing else waits for long. */
const OPENED_PER_TURN = 16

/** What the sockets need of the driver. */
export interface SocketOwner {
  receive(id: number, host: string, port: number, data: Uint8Array, ecn: number): void
  /** Something is to do soon. */
  readonly ready: () => void
  /** Calls the core when no drain is running. */
  readonly tell: (call: () => void) => void
}

/** The UDP sockets beside the main one that the core asks for, by the ids that it gives them. */
export class Sockets {
  readonly #core: Core
  readonly #clock: Clock
  readonly #main: Transport | undefined
  readonly #byId = new Map<number, Transport>()
  readonly #drops: Record<string, number> = {}
  #waiting: number[] = []
  #owner: SocketOwner | undefined

  constructor(core: Core, clock: Clock, main: Transport | undefined) {
    this.#core = core
    this.#clock = clock
    this.#main = main
  }

  start(owner: SocketOwner): void {
    this.#owner = owner
  }

  /** Opens one soon, and tells the core that it is open, or that it can't be. */
  open(id: number): void {
    this.#waiting.push(id)
    if (this.#waiting.length === 1) this.#clock.setImmediate(this.#openSome)
  }

  get(id: number): Transport | undefined {
    return this.#byId.get(id)
  }

  close(id: number): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting !== id)
    const socket = this.#take(id)
    if (socket) void socket.close()
  }

  /** Whether one still reads the packets of the last drain. */
  get queued(): boolean {
    for (const socket of this.#byId.values()) if (socket.queuedBytes > 0) return true
    return false
  }

  /** Drop counts of those that are open and of those that were, by cause. */
  addDrops(sum: Record<string, number>): void {
    addAll(sum, this.#drops)
    for (const { drops } of this.#byId.values()) addAll(sum, drops)
  }

  async closeAll(): Promise<void> {
    this.#owner = undefined
    this.#waiting = []
    const open = [...this.#byId.values()]
    this.#byId.clear()
    await Promise.all(open.map((socket) => socket.close()))
  }

  #openSome = (): void => {
    for (const id of this.#waiting.splice(0, OPENED_PER_TURN)) void this.#openOne(id)
    if (this.#waiting.length > 0) this.#clock.setImmediate(this.#openSome)
  }

  async #openOne(id: number): Promise<void> {
    const socket = this.#main?.another?.()
    if (!socket) return this.#failed(id)
    this.#byId.set(id, socket)
    try {
      await socket.start(this.#events(id))
    } catch {
      if (this.#take(id)) this.#failed(id)
      // It may have been opened before it failed: the system had one file too few.
      return socket.close()
    }
    // It was given up while it was being opened.
    if (this.#byId.get(id) !== socket) return socket.close()
    this.#owner?.tell(() => this.#core.setCarrier(id, 'udp', socket.maxPacketBytes))
  }

  #events(id: number): TransportEvents {
    return {
      receive: (host, port, data, ecn) => {
        this.#owner?.receive(id, host, port, data, ecn)
        this.#owner?.ready()
      },
      writable: () => this.#owner?.ready(),
      changed: () => {},
      failed: () => {
        this.#take(id)
        this.#clock.setImmediate(() => this.#failed(id))
      },
    }
  }

  #failed(id: number): void {
    this.#owner?.tell(() => this.#core.removeCarrier(id))
  }

  #take(id: number): Transport | undefined {
    const socket = this.#byId.get(id)
    this.#byId.delete(id)
    if (socket) addAll(this.#drops, socket.drops)
    return socket
  }
}

/** Adds counts to others. */
export function addAll(sum: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [cause, count] of Object.entries(more)) sum[cause] = (sum[cause] ?? 0) + count
}
