import { isIPv4 } from 'node:net'
import { InvalidConfigError } from '../errors/index.js'
import { BuiltInChannel, type WebRtcClock } from './built-in-channel.node.js'
import { admittedCandidates } from './ice-candidates.node.js'
import type { Channel, ChannelEvents, ChannelMaker, Transport, TransportAddress } from './transport.js'
import { addressKey, RECORDS, splitAddress, WebRtcModule } from './webrtc-module.node.js'

/** DTLS records begin with this or more, STUN messages with less (RFC 7983). */
const FIRST_DTLS = 20

/** Addresses of this machine that a remote is told of. */
const MAX_TOLD = 16

/** Type preferences of candidates (RFC 8445 section 5.1.2.1). */
const PREFERENCES = { host: 126, srflx: 100 }

/** What channels are made of. */
export interface BuiltInWebRtcParts {
  /** The compiled module. */
  readonly module: WebAssembly.Module
  /** The open socket that the channels share. */
  readonly socket: Transport & Required<Pick<Transport, 'share'>>
  /** The one address of this machine that may be used, if there is but one. */
  readonly host: string | undefined
  /** Where else the socket is reached: at its NAT, as servers see it, and at a router that forwards. */
  readonly reflexive: () => Promise<readonly TransportAddress[]>
  readonly clock: WebRtcClock
  /** Is told why an instance of the module is of no use any more. */
  readonly log: (message: string) => void
}

/**
 * Data channels of the module that comes with this package, on the peer's own UDP socket: nothing native, and no socket beside it. All
 * channels of a peer share an instance of the module; when that fails, they are closed, and the next one has a new instance.
 */
export class BuiltInWebRtc implements ChannelMaker {
  readonly #parts: BuiltInWebRtcParts
  readonly #admit: ReturnType<typeof admittedCandidates>
  readonly #channels = new Map<number, BuiltInChannel>()
  readonly #places = new Map<string, TransportAddress>()
  #instance: WebRtcModule | undefined
  #isTurnDue = false
  #timer: unknown

  constructor(parts: BuiltInWebRtcParts) {
    this.#parts = parts
    this.#admit = admittedCandidates(parts.host)
    parts.socket.share({ receive: (host, port, data) => this.#receive(host, port, data) })
  }

  negotiate(initiator: boolean, events: ChannelEvents): Channel {
    const { clock, socket, reflexive } = this.#parts
    const local = socket.localAddresses()
    const bases = [local.find(({ host }) => isIPv4(host)), local.find(({ host }) => !isIPv4(host))]
    const agent =
      this.#call((module) =>
        module.open(
          initiator,
          bases.filter((base) => base !== undefined),
        ),
      ) ?? 0
    // Another instance gives the same ids to others.
    const instance = this.#instance
    const call = <T>(use: (module: WebRtcModule) => T) => (instance === this.#instance ? this.#call(use) : undefined)
    const channel = new BuiltInChannel(events, this.#admit(), clock, {
      signal: (type, text) => call((module) => module.signal(agent, type, text)) ?? false,
      send: (message) => call((module) => module.send(agent, message)) ?? false,
      close: () => {
        if (instance !== this.#instance) return
        this.#channels.delete(agent)
        call((module) => module.close(agent))
        // The socket may be closed next, and the remote is to hear of it before.
        this.#turn()
      },
      candidates: async () => candidatesOf(local, await reflexive().catch(() => [])),
    })
    if (agent !== 0) this.#channels.set(agent, channel)
    else clock.setImmediate(() => channel.end())
    return channel
  }

  /** Whether a datagram is one of a channel's. Those that are not are QUIC's, or answers to what the core has asked. */
  #receive(host: string, port: number, data: Uint8Array): boolean {
    if (this.#channels.size === 0) return false
    return this.#call((module) => module.receive({ host, port }, data)) ?? false
  }

  /** Calls the module, and sees to what comes of it when the turn is over. `undefined` when it has failed. */
  #call<T>(call: (module: WebRtcModule) => T): T | undefined {
    const { clock, module } = this.#parts
    try {
      this.#instance ??= new WebRtcModule(module, () => clock.now())
      const result = call(this.#instance)
      if (!this.#isTurnDue) {
        this.#isTurnDue = true
        clock.setImmediate(() => this.#turn())
      }
      return result
    } catch (thrown) {
      this.#fail(thrown)
      return undefined
    }
  }

  #turn(): void {
    const { clock } = this.#parts
    this.#isTurnDue = false
    const instance = this.#instance
    if (instance === undefined) return
    clock.clearTimeout(this.#timer)
    try {
      instance.poll((kind, agent, payload) => this.#take(kind, agent, payload))
      const { waitMs } = instance
      if (waitMs !== undefined && instance === this.#instance)
        this.#timer = clock.setTimeout(() => this.#turn(), Math.ceil(waitMs))
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  #take(kind: number, agent: number, payload: Uint8Array<ArrayBuffer>): void {
    const channel = this.#channels.get(agent)
    if (kind === RECORDS.datagram) {
      const [to, datagram] = this.#place(payload)
      if (channel !== undefined && (datagram[0] ?? 0) >= FIRST_DTLS) channel.place = to
      this.#parts.socket.send(to, datagram, 0)
    } else if (kind === RECORDS.closed) {
      this.#channels.delete(agent)
      channel?.end()
    } else channel?.take(kind, payload)
  }

  /** The socket is quicker with an address that it has seen before. */
  #place(payload: Uint8Array<ArrayBuffer>): [TransportAddress, Uint8Array<ArrayBuffer>] {
    const key = addressKey(payload)
    const [fresh, rest] = splitAddress(payload)
    const place = this.#places.get(key) ?? fresh
    if (this.#places.size >= MAX_PLACES) this.#places.clear()
    this.#places.set(key, place)
    return [place, rest]
  }

  /** The instance is poisoned: what it knew is lost. */
  #fail(thrown: unknown): void {
    const { clock, log } = this.#parts
    const words = this.#instance?.failure || (thrown instanceof Error ? thrown.message : String(thrown))
    this.#instance = undefined
    clock.clearTimeout(this.#timer)
    log(`the WebRTC module has failed, and its channels are closed: ${words}`)
    const channels = [...this.#channels.values()]
    this.#channels.clear()
    for (const channel of channels) clock.setImmediate(() => channel.end())
  }
}

/** Addresses of remotes that are kept as objects. */
const MAX_PLACES = 256

/** The candidates of a socket (RFC 8839 section 5.1): where it is bound, and where it is seen. */
function candidatesOf(local: readonly TransportAddress[], reflexive: readonly TransportAddress[]): string[] {
  const all = [
    ...local.map((address) => ({ ...address, type: 'host' as const })),
    ...reflexive.map((address) => ({ ...address, type: 'srflx' as const })),
  ]
  const seen = new Set<string>()
  return all
    .filter(({ host, port }) => !seen.has(`${host} ${port}`) && seen.add(`${host} ${port}`))
    .slice(0, MAX_TOLD)
    .map(({ host, port, type }, i) => {
      const priority = PREFERENCES[type] * 2 ** 24 + (0xffff - i) * 2 ** 8 + 255
      const related = type === 'host' ? '' : ` raddr ${isIPv4(host) ? '0.0.0.0' : '::'} rport 0`
      return `candidate:${i + 1} 1 udp ${priority} ${host} ${port} typ ${type}${related}`
    })
}

/**
 * Refuses what the module that comes with this package can't do.
 *
 * @param servers STUN and TURN servers that are named for it.
 * @param hasSocket whether the peer has a UDP socket of this package's.
 * @throws InvalidConfigError where there is no socket to share, or there are servers: the setting `stunServers` has those that are asked.
 */
export function refuseServers(servers: readonly unknown[], hasSocket: boolean): void {
  if (!hasSocket) throw new InvalidConfigError('webRtc: the built-in implementation takes a UDP socket of the peer')
  if (servers.length > 0)
    throw new InvalidConfigError(
      'webRtc: the built-in implementation takes no iceServers, for it is seen where stunServers say; node-datachannel and @roamhq/wrtc take them',
    )
}
