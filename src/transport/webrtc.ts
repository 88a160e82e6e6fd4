import SimplePeer from 'simple-peer/simplepeer.min.js'
import { type LinkEvents, type MessageLink, PacketChannel } from './packet-channel.js'
import type { Channel, ChannelEvents, ChannelMaker, ChannelSignal, TransportAddress } from './transport.js'

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
    return new PacketChannel(events, (linked) => this.link(initiator, linked))
  }

  /** Begins to negotiate what carries a channel's messages. Never throws: what fails is told by `closed`, in a later turn. */
  link(initiator: boolean, events: LinkEvents): MessageLink {
    return new SimplePeerLink({ ...this.#options, initiator }, events, this.#admit?.())
  }
}

/** A data channel that simple-peer negotiates. */
class SimplePeerLink implements MessageLink {
  readonly #events: LinkEvents
  readonly #admit: ReturnType<AdmitSignals>
  readonly #peer: SimplePeer.Instance | undefined

  constructor(options: SimplePeer.Options, events: LinkEvents, admit: ReturnType<AdmitSignals> = (signal) => signal) {
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
      queueMicrotask(() => events.closed())
      return
    }
    const peer = this.#peer
    takeOneChannel((peer as unknown as WithConnection)._pc)
    peer.on('signal', (signal) => this.#emit(signal))
    peer.on('connect', () => events.through(true))
    peer.on('data', (data: unknown) => events.message(data))
    peer.on('iceStateChange', (state: string) => {
      if (state === 'disconnected') events.through(false)
      else if (THROUGH.includes(state) && peer.connected) events.through(true)
    })
    // `close` follows.
    peer.on('error', () => {})
    peer.on('close', () => events.closed())
  }

  get place(): TransportAddress {
    const { remoteAddress: host = '', remotePort: port = 0 } = (this.#peer ?? {}) as Partial<Remote>
    return { host, port: Number(port) || 0 }
  }

  signal(told: ChannelSignal): void {
    const signal = this.#admit(told)
    if (signal === undefined) return this.#events.malformed()
    const { type, ...rest } = signal
    // A description or candidate that the browser does not take ends the negotiation, by `close`.
    this.#peer?.signal(type === 'candidate' ? { type, candidate: rest as RTCIceCandidate } : signal)
  }

  write(message: Uint8Array<ArrayBuffer>, taken: () => void): void {
    this.#peer?.write(message, taken)
  }

  close(): void {
    this.#peer?.destroy()
  }

  #emit(signal: SimplePeer.SignalData): void {
    if ('sdp' in signal && (signal.type === 'offer' || signal.type === 'answer'))
      this.#events.signal({ type: signal.type, sdp: signal.sdp ?? '' })
    else if ('candidate' in signal && signal.candidate) {
      const { candidate = '', sdpMid = null, sdpMLineIndex = null } = signal.candidate
      // Not every implementation leaves out the name of SDP's lines.
      this.#events.signal({ type: 'candidate', candidate: candidate.replace(/^a=/, ''), sdpMid, sdpMLineIndex })
    }
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
