import type { Core } from '../core/core.js'
import type { RelayRecord } from '../core/relay.js'
import type { RelayDialer, RelaySocket } from '../transport/transport.js'
import type { Clock } from './clock.js'
import type { RelayInfo } from './engine.js'
import { relayInfo } from './names.js'

/** Bytes that may wait in one relay's WebSocket. */
const QUEUE_BYTES = 1024 * 1024

/** How long what waits in a relay's WebSocket may stay without any of it leaving. */
const STUCK_MS = 3000

/** A WebSocket does not tell when its queue has room again, so a full one is asked this often. */
const FULL_POLL_MS = 5

/** The first byte of messages that carry packets (types 4 to 7 of the relay protocol); others are few, and never dropped. */
const FIRST_PACKET_TYPE = 4
const LAST_PACKET_TYPE = 7

interface Open {
  readonly socket: RelaySocket
  sentBytes: number
  /** How much of that had left when it was last looked at, and since when no more has. */
  leftBytes: number
  stuckSince: number
}

export interface RelayEvents {
  /** A message or room for messages came: something is to do soon. */
  readonly ready: () => void
  /** Calls the core when no drain is running; what it throws is known elsewhere. */
  readonly tell: (call: () => void) => void
  /** A relay's WebSocket was opened. */
  readonly opened: () => void
}

/** The WebSockets that the core wants open, by its ids of the relays. */
export class Relays {
  readonly #core: Core
  readonly #clock: Clock
  readonly #dialer: RelayDialer | undefined
  readonly #open = new Map<number, Open>()
  readonly #known = new Map<number, RelayInfo>()
  #events: RelayEvents | undefined
  #poll: unknown
  #release: (() => void) | undefined
  #dropped = 0

  constructor(core: Core, clock: Clock, dialer: RelayDialer | undefined) {
    this.#core = core
    this.#clock = clock
    this.#dialer = dialer
  }

  start(events: RelayEvents): void {
    this.#events = events
  }

  /** Keeps the process alive until `closeAll`, whether or not a relay can be reached. */
  hold(): void {
    this.#release ??= this.#dialer?.hold?.()
  }

  /** Whether there can be any. */
  get available(): boolean {
    return this.#dialer !== undefined
  }

  /** Messages with packets that were dropped because their WebSocket was full or stuck. */
  get dropped(): number {
    return this.#dropped
  }

  /** What the emptiest WebSocket takes; as much as a whole one while there is none, for the core queues by itself then. */
  get writableBytes(): number {
    if (this.#dialer === undefined) return 0
    let least = QUEUE_BYTES
    for (const { socket } of this.#open.values()) least = Math.min(least, socket.queuedBytes)
    const room = this.#open.size === 0 ? QUEUE_BYTES : QUEUE_BYTES - least
    if (room <= 0) this.#pollSoon()
    return Math.max(0, room)
  }

  /** What is known of a relay by the core's id. */
  find(id: number): RelayInfo | undefined {
    return this.#known.get(id)
  }

  /** Those in use, and before the core has told of them those that it was given. */
  all(configured: readonly string[]): RelayInfo[] {
    const known = [...this.#known.values()]
    const untold = configured.filter((url) => !known.some((relay) => relay.url === url))
    return [...known, ...untold.map((url) => ({ url, state: 'waiting', home: false, cause: 'none' }) as const)]
  }

  open(id: number, url: string): void {
    this.close(id)
    const dialer = this.#dialer
    const events = this.#events
    if (dialer === undefined || events === undefined) return
    // Events of a WebSocket that was replaced since must not be taken for those of its successor.
    const current = (act: () => void) => () => {
      if (this.#open.get(id)?.socket === socket) act()
    }
    const socket: RelaySocket = dialer.dial(url, {
      opened: (version) =>
        current(() => {
          events.tell(() => this.#core.relayOpened(id, version))
          events.opened()
        })(),
      message: (data) => current(() => this.#receive(id, data, events))(),
      closed: (reason) => current(() => this.#lost(id, reason, events))(),
    })
    this.#open.set(id, { socket, sentBytes: 0, leftBytes: 0, stuckSince: this.#clock.now() })
  }

  send(id: number, message: Uint8Array<ArrayBuffer>): void {
    const open = this.#open.get(id)
    if (open === undefined) return
    if (carriesPackets(message) && this.#full(open, message.length)) {
      this.#dropped += 1
      return
    }
    open.sentBytes += message.length
    open.socket.send(message)
  }

  close(id: number): void {
    const open = this.#open.get(id)
    this.#open.delete(id)
    open?.socket.close()
  }

  /** Keeps what the core says of a relay, and gives it as the API shows it. */
  update(id: number, record: RelayRecord): RelayInfo {
    const info = relayInfo(record)
    if (info.state === 'closed') this.#known.delete(id)
    else this.#known.set(id, info)
    return info
  }

  closeAll(): void {
    if (this.#poll !== undefined) this.#clock.clearTimeout(this.#poll)
    this.#events = undefined
    this.#release?.()
    this.#release = undefined
    for (const id of [...this.#open.keys()]) this.close(id)
  }

  #full(open: Open, bytes: number): boolean {
    const queued = open.socket.queuedBytes
    const left = open.sentBytes - queued
    const now = this.#clock.now()
    if (queued === 0 || left > open.leftBytes) open.stuckSince = now
    open.leftBytes = left
    return queued + bytes > QUEUE_BYTES || now - open.stuckSince > STUCK_MS
  }

  #receive(id: number, data: Uint8Array, events: RelayEvents): void {
    let taken = false
    events.tell(() => {
      taken = this.#core.pushRelayMessage(id, data)
    })
    if (taken) return events.ready()
    this.close(id)
    this.#lost(id, `the relay sent a message of ${data.length} bytes`, events)
  }

  #lost(id: number, reason: string, events: RelayEvents): void {
    this.#open.delete(id)
    events.tell(() => this.#core.relayClosed(id, reason))
  }

  #pollSoon(): void {
    this.#poll ??= this.#clock.setTimeout(() => {
      this.#poll = undefined
      if (this.writableBytes > 0) this.#events?.ready()
    }, FULL_POLL_MS)
  }
}

function carriesPackets(message: Uint8Array): boolean {
  const type = message[0] ?? 0
  return type >= FIRST_PACKET_TYPE && type <= LAST_PACKET_TYPE
}
