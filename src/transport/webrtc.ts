import SimplePeer from 'simple-peer/simplepeer.min.js'
import { framed, joined, PacketReader } from './packet-stream.js'
import type { Channel, ChannelEvents, ChannelMaker, ChannelSignal, TransportAddress } from './transport.js'

/** Bytes that may wait for the channel, those of the message under way included. */
const QUEUE_BYTES = 512 * 1024

/**
 * The largest message that packets are gathered into: a channel's cost is per message. Of a message that is lost in part all is lost, so it
 * must not be larger than it has to.
 */
const MESSAGE_BYTES = 16 * 1024

/** How often it is looked at whether the channel takes anything. */
const STUCK_CHECK_MS = 1000

/**
 * After how many looks at a channel that takes nothing it counts as interrupted, so that it no longer holds up what else the page sends: the
 * event that it has room again may be lost. Looks, and not time: a page may stand still itself.
 */
const STUCK_CHECKS = 3

/** How long a channel may go on when it is being closed, for what was sent last. */
const FAREWELL_MS = 100

/** When simple-peer takes it that all candidates are known. Nobody waits for that here, but its timer keeps a process alive. */
const ICE_COMPLETE_MS = 100

/** The states of an ICE agent in which packets come through (W3C WebRTC, `RTCIceConnectionState`). */
const THROUGH = ['connected', 'completed']

/** What a browser has as globals. */
export type WebRtcClasses = Pick<typeof globalThis, 'RTCPeerConnection' | 'RTCSessionDescription' | 'RTCIceCandidate'>

/** Gives, for each attempt, what passes a remote's signals on; `undefined` is what is not. */
export type AdmitSignals = () => (signal: ChannelSignal) => ChannelSignal | undefined

/** Classes to use where there are no globals, what their connections are told, and what remotes may tell them. */
export interface InstalledWebRtc {
  readonly classes: WebRtcClasses
  readonly configuration: RTCConfiguration
  readonly admit: AdmitSignals
}

/** Data channels of the browser's, or of something that looks like it. */
export class WebRtcChannels implements ChannelMaker {
  readonly #options: SimplePeer.Options
  readonly #admit: AdmitSignals | undefined

  /**
   * @param config with the STUN and TURN servers that are asked; none are asked by default.
   * @param installed what to use where there are no globals; its configuration counts as well.
   */
  constructor(config: RTCConfiguration = {}, installed?: InstalledWebRtc) {
    this.#options = {
      config: { iceServers: [], ...config, ...installed?.configuration },
      ...(installed && { wrtc: installed.classes }),
    }
    this.#admit = installed?.admit
  }

  negotiate(initiator: boolean, events: ChannelEvents): Channel {
    return new NegotiatedChannel({ ...this.#options, initiator }, events, this.#admit?.())
  }
}

/**
 * Packets over one unordered data channel that repeats nothing: QUIC does that once. Each message is packets, each behind its length in two
 * bytes.
 */
class NegotiatedChannel implements Channel {
  readonly #events: ChannelEvents
  readonly #admit: ReturnType<AdmitSignals>
  readonly #peer: SimplePeer.Instance | undefined
  #waiting: Uint8Array[] = []
  #queued = 0
  #isWriting = false
  /** Looks since the channel has taken something. */
  #stillness = 0
  #isOpen = false
  #iceState = ''
  #isStuck = false
  #stuckCheck: ReturnType<typeof setInterval> | undefined
  #over = false

  constructor(
    options: SimplePeer.Options,
    events: ChannelEvents,
    admit: ReturnType<AdmitSignals> = (signal) => signal,
  ) {
    this.#events = events
    this.#admit = admit
    try {
      this.#peer = new SimplePeer({
        ...options,
        channelConfig: { ordered: false, maxRetransmits: 0 },
        iceCompleteTimeout: ICE_COMPLETE_MS,
      })
    } catch {
      // The page may not, or has too many.
      queueMicrotask(() => this.#end())
      return
    }
    const peer = this.#peer
    takeOneChannel((peer as unknown as WithConnection)._pc)
    peer.on('signal', (signal) => this.#emit(signal))
    peer.on('connect', () => {
      if (this.#over) return
      this.#stuckCheck = setInterval(() => this.#checkStuck(), STUCK_CHECK_MS)
      this.#through(true)
    })
    peer.on('data', (data: unknown) => this.#receive(data))
    peer.on('iceStateChange', (state: string) => this.#iceChanged(state))
    // `close` follows.
    peer.on('error', () => {})
    peer.on('close', () => this.#end())
  }

  get place(): TransportAddress {
    const { remoteAddress: host = '', remotePort: port = 0 } = (this.#peer ?? {}) as Partial<Remote>
    return { host, port: Number(port) || 0 }
  }

  get writableBytes(): number {
    return Math.max(0, QUEUE_BYTES - this.#queued)
  }

  signal(told: ChannelSignal): void {
    if (this.#over) return
    const signal = this.#admit(told)
    if (signal === undefined) return this.#events.malformed()
    const { type, ...rest } = signal
    // A description or candidate that the browser does not take ends the negotiation, by `close`.
    this.#peer?.signal(type === 'candidate' ? { type, candidate: rest as RTCIceCandidate } : signal)
  }

  send(packets: Uint8Array, segmentBytes: number): void {
    if (!this.#isOpen) return
    const size = segmentBytes || packets.length
    for (let at = 0; at < packets.length; at += size) this.#add(packets.subarray(at, at + size))
    if (this.#isWriting || this.#queued === 0) return
    this.#isWriting = true
    this.#stillness = 0
    // What else this turn sends goes with it.
    queueMicrotask(() => this.#write())
  }

  close(): void {
    if (this.#over) return
    this.#stop()
    if (this.#isWriting) setTimeout(() => this.#peer?.destroy(), FAREWELL_MS)
    else this.#peer?.destroy()
  }

  #emit(signal: SimplePeer.SignalData): void {
    if (this.#over) return
    if ('sdp' in signal && (signal.type === 'offer' || signal.type === 'answer'))
      this.#events.signal({ type: signal.type, sdp: signal.sdp ?? '' })
    else if ('candidate' in signal && signal.candidate) {
      const { candidate = '', sdpMid = null, sdpMLineIndex = null } = signal.candidate
      // Not every implementation leaves out the name of SDP's lines.
      this.#events.signal({ type: 'candidate', candidate: candidate.replace(/^a=/, ''), sdpMid, sdpMLineIndex })
    }
  }

  #iceChanged(state: string): void {
    this.#iceState = state
    if (state === 'disconnected') this.#through(false)
    else if (THROUGH.includes(state) && this.#peer?.connected) this.#through(!this.#isStuck)
  }

  #checkStuck(): void {
    if (!this.#isWriting || ++this.#stillness <= STUCK_CHECKS) return
    this.#isStuck = true
    this.#through(false)
  }

  #moved(): void {
    this.#stillness = 0
    if (!this.#isStuck) return
    this.#isStuck = false
    if (THROUGH.includes(this.#iceState)) this.#through(true)
  }

  #through(isThrough: boolean): void {
    if (this.#over || this.#isOpen === isThrough) return
    this.#isOpen = isThrough
    if (isThrough) this.#events.opened()
    else this.#events.interrupted()
  }

  #receive(data: unknown): void {
    if (this.#over) return
    if (!(data instanceof Uint8Array)) return this.#events.malformed()
    const packets = new PacketReader()
    try {
      packets.push(data, (packet) => this.#events.packet(packet))
    } catch {
      this.#events.malformed()
    }
  }

  #add(packet: Uint8Array): void {
    if (this.#queued + packet.length > QUEUE_BYTES) return this.#events.dropped()
    this.#waiting.push(framed(packet))
    this.#queued += packet.length + 2
  }

  /** Sends a message; the next one when the channel has room. */
  #write(): void {
    if (this.#over) return
    const count = this.#fitting()
    if (count === 0) {
      this.#isWriting = false
      return
    }
    const message = joined(this.#waiting.splice(0, count))
    this.#peer?.write(message, () => {
      this.#moved()
      this.#queued -= message.length
      this.#events.writable()
      this.#write()
    })
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

  #stop(): void {
    this.#over = true
    this.#isOpen = false
    clearInterval(this.#stuckCheck)
  }

  #end(): void {
    if (this.#over) return
    this.#stop()
    this.#events.closed()
  }
}

/** What simple-peer knows of the pair of candidates in use, which its types leave out. */
interface Remote {
  readonly remoteAddress: string
  readonly remotePort: number | string
}

/** What simple-peer works on. */
interface WithConnection {
  readonly _pc: RTCPeerConnection
}

/** Closes whatever else than the first channel a remote opens: simple-peer would take each in place of the former, whose timer goes on for ever. */
function takeOneChannel(connection: RTCPeerConnection): void {
  const take = connection.ondatachannel
  if (typeof take !== 'function') return
  connection.ondatachannel = (event) => {
    connection.ondatachannel = ({ channel }) => channel.close()
    take.call(connection, event)
  }
}
