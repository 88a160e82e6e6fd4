import type { SocketAddress } from '../core/address.js'
import type { Core } from '../core/core.js'
import { isRelay } from '../core/relay.js'
import { CARRIER_PATH, decodeWebTransportAddress, type WebTransportAddress } from '../core/web-transport-address.js'
import type { PacketSession, WebTransportDialer } from '../transport/transport.js'
import type { Clock } from './clock.js'
import type { DialTargets } from './engine.js'
import { addAll, type SocketOwner } from './sockets.js'

/** The first id of a session that this peer dials. Those of transports are far below, those of the core's sockets above. */
const FIRST_ID = 0x1000_0000

/** QUIC's smallest packet is the largest that every browser's datagrams carry. */
const PACKET_BYTES = 1200

/** Of how many addresses of a peer sessions are opened to the sockets: a stranger's ticket has room for forty. */
const MAX_ADDRESSES = 2

/** How much later the next socket of a peer is tried. */
const STAGGER_MS = 100

/** The pause before another try: doubled by each that fails. */
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

/**
 * How long a dial, and a connection that is relayed, may find another way before a session over TCP is opened: NAT traversal takes up to
 * three seconds, and ends with the first direct path.
 */
const TCP_DIAL_MS = 500
const TCP_RELAYED_MS = 3000

/** A session that has lived for so long is missed, and not one that fails. */
const LASTING_MS = 10_000

/** A session to a peer, as others see it. */
export interface DialledCarrier {
  /** While it is open. */
  open?: { readonly session: PacketSession; readonly since: number }
  /** Where it leads, or has led: by its name where it was dialled by that. */
  at?: SocketAddress & { readonly tcp?: true }
}

interface Carrier extends WebTransportAddress, DialledCarrier {
  readonly id: number
  /** The data of the address, as text. */
  readonly key: string
  /** The connections that may use it, and the carrier over which each goes as far as is known. */
  readonly users: Map<number, number | undefined>
  /** Sessions that are being opened. */
  readonly attempts: Set<PacketSession>
  /** How many of the sockets were tried since the last pause. */
  tried: number
  failures: number
  timer?: unknown
}

/**
 * The WebTransport sessions to peers, each a carrier of the core's. A session is opened for a dial, to whichever socket of the peer answers
 * first, and again when it is lost, for as long as a connection may use it.
 */
export class WebTransports {
  readonly #core: Core
  readonly #clock: Clock
  readonly #dialer: WebTransportDialer | undefined
  readonly #byId = new Map<number, Carrier>()
  #owner: SocketOwner | undefined
  #next = FIRST_ID
  readonly #drops: Record<string, number> = {}

  constructor(core: Core, clock: Clock, dialer: WebTransportDialer | undefined) {
    this.#core = core
    this.#clock = clock
    this.#dialer = dialer
  }

  start(owner: SocketOwner): void {
    this.#owner = owner
  }

  /** The targets with a carrier for each peer that sessions are opened to; those that can't be are left out. */
  resolve({ addresses, relays, webTransport = [] }: DialTargets): DialTargets {
    const carriers =
      this.#dialer === undefined
        ? []
        : webTransport.slice(0, MAX_ADDRESSES).flatMap((data) => this.#carrierFor(data) ?? [])
    const dialled = carriers.flatMap(({ id, sockets: [socket] }) => (socket ? [{ carrier: id, ...socket }] : []))
    return { addresses: [...addresses, ...dialled], relays }
  }

  /** A connection may use the carriers among these targets from now on. */
  use(connection: number, { addresses }: DialTargets): void {
    for (const { carrier: id } of addresses) {
      const carrier = this.#byId.get(id)
      if (carrier === undefined) continue
      carrier.users.set(connection, carrier.users.get(connection))
      // One that waits to be tried again is tried for whoever wants it now.
      this.#want(carrier, TCP_DIAL_MS)
    }
  }

  /** A connection goes over that carrier now, or over none. One over TCP is there for those that have but a relay. */
  selected(connection: number, over = Infinity): void {
    for (const carrier of this.#byId.values()) {
      const { id, name, users } = carrier
      if (name === undefined || !users.has(connection)) continue
      // QUIC has found it dead, which TCP would do after a quarter of an hour.
      const isOver = users.get(connection) === id
      const isDead = isOver && over !== Infinity && isRelay(over)
      if (!isOver || over !== Infinity) users.set(connection, over)
      this.#clock.setImmediate(() => {
        if (isDead && carrier.open) this.#close(carrier)
        if (isRelay(over)) this.#want(carrier, TCP_RELAYED_MS)
        else this.#closeOvertaken(carrier)
      })
    }
  }

  /** A connection is gone. Sessions that nobody uses are closed soon. */
  release(connection?: number): void {
    for (const carrier of this.#byId.values()) {
      if (connection !== undefined) carrier.users.delete(connection)
      this.#clock.setImmediate(() => {
        this.#closeOvertaken(carrier)
        this.#closeUnused(carrier)
      })
    }
  }

  /** What is known of one by the id of its carrier. */
  find(id: number): DialledCarrier | undefined {
    return this.#byId.get(id)
  }

  /** What the emptiest open session takes; `undefined` where none is open. */
  get writableBytes(): number | undefined {
    let most: number | undefined
    for (const { open } of this.#byId.values()) if (open) most = Math.max(most ?? 0, open.session.writableBytes)
    return most
  }

  addDrops(sum: Record<string, number>): void {
    addAll(sum, this.#drops)
  }

  closeAll(): void {
    this.#owner = undefined
    for (const carrier of this.#byId.values()) this.#stop(carrier)
    this.#byId.clear()
  }

  #carrierFor(data: Uint8Array): Carrier | undefined {
    const key = String(data)
    for (const carrier of this.#byId.values()) if (carrier.key === key) return carrier
    const address = decodeWebTransportAddress(data, this.#core.addresses)
    if (address === undefined) {
      addAll(this.#drops, { malformed: 1 })
      return undefined
    }
    if (!this.#dialer?.takes(address.name)) return undefined
    const carrier = {
      ...address,
      id: this.#next++,
      key,
      users: new Map<number, number | undefined>(),
      attempts: new Set<PacketSession>(),
      tried: 0,
      failures: 0,
    }
    this.#byId.set(carrier.id, carrier)
    this.#core.setCarrier(carrier.id, 'webtransport', 0)
    return carrier
  }

  /** Over TCP after that time: there may be a better way. */
  #want(carrier: Carrier, ms: number): void {
    if (carrier.open || carrier.attempts.size > 0 || !this.#byId.has(carrier.id)) return
    this.#clock.clearTimeout(carrier.timer)
    if (carrier.name === undefined) this.#dial(carrier)
    else carrier.timer = this.#clock.setTimeout(() => this.#dial(carrier), ms)
  }

  #dial(carrier: Carrier): void {
    carrier.tried = 0
    this.#attempt(carrier)
  }

  /** Tries a socket, and the next one when this one has failed or is slow. */
  #attempt(carrier: Carrier): void {
    this.#clock.clearTimeout(carrier.timer)
    const at = carrier.sockets[carrier.tried++]
    const dialer = this.#dialer
    if (at === undefined || dialer === undefined) {
      if (carrier.attempts.size === 0) this.#failed(carrier)
      return
    }
    // Whichever socket answers, the core knows the remote by the first one.
    const [{ host, port } = at] = carrier.sockets
    const session: PacketSession = dialer.dial(urlOf(at, carrier.name), carrier.hashes, {
      opened: () => this.#opened(carrier, session, at),
      packet: (data) => {
        this.#owner?.receive(carrier.id, host, port, data, 0)
        this.#owner?.ready()
      },
      writable: () => this.#owner?.ready(),
      pause: () => new Promise((resolve) => this.#clock.setImmediate(resolve)),
      dropped: () => addAll(this.#drops, { 'webtransport-queue-full': 1 }),
      closed: () => {
        if (carrier.open?.session === session) this.#lost(carrier)
        else if (carrier.attempts.delete(session)) this.#attempt(carrier)
      },
    })
    carrier.attempts.add(session)
    if (carrier.tried < carrier.sockets.length)
      carrier.timer = this.#clock.setTimeout(() => this.#attempt(carrier), STAGGER_MS)
  }

  #opened(carrier: Carrier, session: PacketSession, at: SocketAddress): void {
    this.#stop(carrier, session)
    const { name } = carrier
    carrier.open = { session, since: this.#clock.now() }
    carrier.at = { host: name || at.host, port: at.port, ...(name !== undefined && { tcp: true }) }
    this.#owner?.tell(() => this.#core.setCarrier(carrier.id, 'webtransport', PACKET_BYTES))
  }

  #lost(carrier: Carrier): void {
    if (this.#clock.now() - (carrier.open?.since ?? 0) > LASTING_MS) carrier.failures = 0
    this.#close(carrier)
    this.#failed(carrier)
  }

  #close(carrier: Carrier): void {
    this.#stop(carrier)
    this.#owner?.tell(() => this.#core.setCarrier(carrier.id, 'webtransport', 0))
  }

  #failed(carrier: Carrier): void {
    this.#stop(carrier)
    if (this.#owner === undefined || !this.#byId.has(carrier.id)) return
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** carrier.failures++, LONGEST_PAUSE_MS)
    carrier.timer = this.#clock.setTimeout(() => this.#dial(carrier), pause)
  }

  /** Ends what is under way, but for that session. */
  #stop(carrier: Carrier, except?: PacketSession): void {
    this.#clock.clearTimeout(carrier.timer)
    for (const attempt of carrier.attempts) if (attempt !== except) attempt.close()
    carrier.attempts.clear()
    carrier.open?.session.close()
    delete carrier.open
  }

  /** Closes one over TCP when all that may use it have another direct way. */
  #closeOvertaken(carrier: Carrier): void {
    const { id, name, users } = carrier
    const isElsewhere = (over: number | undefined) => over !== undefined && over !== id && !isRelay(over)
    if (name !== undefined && users.size > 0 && [...users.values()].every(isElsewhere)) this.#close(carrier)
  }

  #closeUnused(carrier: Carrier): void {
    if (carrier.users.size > 0 || !this.#byId.delete(carrier.id)) return
    this.#stop(carrier)
    this.#owner?.tell(() => this.#core.removeCarrier(carrier.id))
  }
}

function urlOf({ host, port }: SocketAddress, name: string | undefined): string {
  const scheme = name === undefined ? 'https' : name ? 'wss' : 'ws'
  // What would be another part of a URL makes it none.
  const place = encodeURIComponent(name ?? '') || (host.includes(':') ? `[${host}]` : host)
  return `${scheme}://${place}:${port}${CARRIER_PATH}`
}
