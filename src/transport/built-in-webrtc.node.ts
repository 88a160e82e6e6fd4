import { isIPv4 } from 'node:net'
import { InvalidConfigError } from '../errors/index.js'
import { admittedCandidates } from './ice-candidates.node.js'
import { joined, PacketReader } from './packet-stream.js'
import type { Channel, ChannelEvents, ChannelMaker, ChannelSignal, Transport, TransportAddress } from './transport.js'
import { addressKey, RECORDS, splitAddress, WebRtcModule } from './webrtc-module.node.js'

/** Bytes that may wait for a channel, beside those that SCTP has taken. */
const QUEUE_BYTES = 256 * 1024

/** The largest message that packets are gathered into, as pages have it. */
const MESSAGE_BYTES = 16 * 1024

/** How often it is looked at whether a channel takes anything, and after how many looks at one that does not it counts as interrupted. */
const STUCK_CHECK_MS = 1000
const STUCK_CHECKS = 3

/** STUN's messages and DTLS records begin below this, QUIC's packets above it (RFC 7983, RFC 9443). */
const FIRST_DTLS = 20

/** Addresses of this machine that a remote is told of. */
const MAX_TOLD = 16

/** Type preferences of candidates (RFC 8445 section 5.1.2.1). */
const PREFERENCES = { host: 126, srflx: 100 }

/** What is needed of a clock. */
export interface WebRtcClock {
  now(): number
  setTimeout(callback: () => void, delayMs: number): unknown
  clearTimeout(handle: unknown): void
  setImmediate(callback: () => void): void
}

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
    const agent = this.#call((module) =>
      module.open(
        initiator,
        bases.filter((base) => base !== undefined),
      ),
    )
    const channel = new BuiltInChannel(events, this.#admit(), clock, {
      signal: (type, text) => this.#call((module) => module.signal(agent ?? 0, type, text)) ?? false,
      send: (message) => this.#call((module) => module.send(agent ?? 0, message)) ?? false,
      close: () => {
        this.#channels.delete(agent ?? 0)
        this.#call((module) => module.close(agent ?? 0))
        // The socket may be closed next, and the remote is to hear of it before.
        this.#turn()
      },
      candidates: async () => candidatesOf(local, await reflexive().catch(() => [])),
    })
    if (agent) this.#channels.set(agent, channel)
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

/** What a channel asks of its agent. */
interface AgentCalls {
  signal(type: ChannelSignal['type'], text: string): boolean
  send(message: Uint8Array): boolean
  close(): void
  candidates(): Promise<readonly string[]>
}

/** Packets over the one data channel of an agent, as pages have them: each behind its length in two bytes. */
class BuiltInChannel implements Channel {
  place: TransportAddress = { host: '', port: 0 }
  readonly #events: ChannelEvents
  readonly #admit: (signal: ChannelSignal) => ChannelSignal | undefined
  readonly #clock: WebRtcClock
  readonly #agent: AgentCalls
  #waiting: Uint8Array[] = []
  #queued = 0
  #isWriting = false
  #hasChannel = false
  #isThrough = false
  #isOpen = false
  /** Looks since the channel has taken something that waits. */
  #stillness = 0
  #stuckCheck: unknown
  #over = false

  constructor(
    events: ChannelEvents,
    admit: (signal: ChannelSignal) => ChannelSignal | undefined,
    clock: WebRtcClock,
    agent: AgentCalls,
  ) {
    this.#events = events
    this.#admit = admit
    this.#clock = clock
    this.#agent = agent
  }

  get writableBytes(): number {
    return Math.max(0, QUEUE_BYTES - this.#queued)
  }

  signal(told: ChannelSignal): void {
    if (this.#over) return
    const signal = this.#admit(told)
    if (signal === undefined) return this.#events.malformed()
    if (signal.type !== 'candidate') {
      if (this.#agent.signal(signal.type, signal.sdp)) return
      // As in a page, a description that is none ends the negotiation.
      this.#events.malformed()
      this.#agent.close()
      this.#clock.setImmediate(() => this.end())
    } else if (signal.candidate !== '' && !this.#agent.signal('candidate', signal.candidate)) this.#events.malformed()
  }

  send(packets: Uint8Array, segmentBytes: number): void {
    if (!this.#isOpen) return
    const size = segmentBytes || packets.length
    for (let at = 0; at < packets.length; at += size) this.#add(packets.subarray(at, at + size))
    if (this.#isWriting || this.#queued === 0) return
    this.#isWriting = true
    // What else this turn sends goes with it.
    queueMicrotask(() => {
      this.#isWriting = false
      this.#write()
    })
  }

  close(): void {
    if (this.#over) return
    this.#write()
    this.#stop()
    this.#agent.close()
  }

  /** Takes what the module says. */
  take(kind: number, payload: Uint8Array<ArrayBuffer>): void {
    if (this.#over) return
    if (kind === RECORDS.message) this.#receive(payload)
    else if (kind === RECORDS.room) this.#write()
    else if (kind === RECORDS.offer || kind === RECORDS.answer) void this.#describe(kind, payload)
    else {
      if (kind === RECORDS.open) {
        this.#hasChannel = true
        this.#watch()
      } else this.#isThrough = kind === RECORDS.through
      this.#changed()
    }
  }

  /** The agent is gone. */
  end(): void {
    if (this.#over) return
    this.#stop()
    this.#events.closed()
  }

  /** Tells the description, and then where this side is. */
  async #describe(kind: number, payload: Uint8Array): Promise<void> {
    const type = kind === RECORDS.offer ? 'offer' : 'answer'
    this.#events.signal({ type, sdp: new TextDecoder().decode(payload) })
    for (const candidate of await this.#agent.candidates())
      if (!this.#over) this.#events.signal({ type: 'candidate', candidate, sdpMid: null, sdpMLineIndex: 0 })
  }

  #receive(payload: Uint8Array): void {
    if (payload[0] !== 1) return this.#events.malformed()
    const packets = new PacketReader()
    try {
      packets.push(payload.subarray(1), (packet) => this.#events.packet(packet))
    } catch {
      this.#events.malformed()
    }
  }

  #changed(): void {
    const isOpen = this.#hasChannel && this.#isThrough && this.#stillness <= STUCK_CHECKS
    if (this.#isOpen === isOpen) return
    this.#isOpen = isOpen
    if (isOpen) this.#events.opened()
    else this.#events.interrupted()
  }

  #add(packet: Uint8Array): void {
    if (this.#queued + packet.length + 2 > QUEUE_BYTES) return this.#events.dropped()
    // The bytes are the caller's again at once.
    this.#waiting.push(joined([Uint8Array.of(packet.length >> 8, packet.length), packet]))
    this.#queued += packet.length + 2
  }

  /** Writes what the channel takes. */
  #write(): void {
    let count = 0
    for (; !this.#over && this.#queued > 0; count++) {
      const packets = this.#fitting()
      const message = joined(this.#waiting.slice(0, packets))
      if (!this.#agent.send(message)) break
      this.#waiting.splice(0, packets)
      this.#queued -= message.length
    }
    if (count === 0) return
    this.#stillness = 0
    this.#changed()
    this.#events.writable()
  }

  /** How many of the packets that wait go into one message. */
  #fitting(): number {
    let bytes = 0
    let count = 0
    for (const { length } of this.#waiting) {
      bytes += length
      if (count > 0 && bytes > MESSAGE_BYTES) break
      count += 1
    }
    return count
  }

  #watch(): void {
    this.#stuckCheck = this.#clock.setTimeout(() => {
      this.#stillness = this.#queued > 0 ? this.#stillness + 1 : 0
      this.#changed()
      this.#watch()
    }, STUCK_CHECK_MS)
  }

  #stop(): void {
    this.#over = true
    this.#isOpen = false
    this.#clock.clearTimeout(this.#stuckCheck)
  }
}

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
