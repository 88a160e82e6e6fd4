import type { ChannelSignal } from '../../driver/channels.js'

/** The protocol (ALPN) by which two peers tell each other what WebRTC needs. Applications can't serve it. */
export const SIGNALLING_ALPN = 'anypath/webrtc/1'

/** A session description of a data channel has about 1 KB; a browser with many codecs in it would have 10. */
const MAX_FRAME_BYTES = 16 * 1024

/** What is said on the one stream of a signalling connection. Attempts are counted by who dialled the connection. */
export type SignalFrame =
  | { readonly type: 'signal'; readonly attempt: number; readonly signal: ChannelSignal }
  /** The attempt is given up. */
  | { readonly type: 'end'; readonly attempt: number }
  /** Who accepted the connection wants an attempt. */
  | { readonly type: 'wanted' }
  | WaysFrame

/** How else than over the relay who accepted the connection can be reached; said first, where there is something to say. */
export interface WaysFrame {
  readonly type: 'ways'
  /** Where WebTransport sessions can be opened to it, each as in a ticket. */
  readonly webTransport: readonly Uint8Array[]
  /** Whether it can make channels. */
  readonly channels: boolean
}

/** Addresses of which a remote may tell; a peer has one. */
const MAX_WAYS = 4

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** A frame as it is sent: its length in two bytes (big-endian), and JSON. */
export function encodeFrame(frame: SignalFrame): Uint8Array {
  const text = encoder.encode(
    JSON.stringify(frame.type === 'ways' ? { ...frame, webTransport: frame.webTransport.map(toBase64) } : frame),
  )
  const bytes = new Uint8Array(2 + text.length)
  new DataView(bytes.buffer).setUint16(0, text.length)
  bytes.set(text, 2)
  return bytes
}

/** Cuts a stream into frames. */
export class FrameReader {
  #rest = new Uint8Array(0)

  /**
   * Gives the frames that are whole now. Those of a type that is not known are left out: a later version may have more.
   *
   * @throws Error for what can't be a frame.
   */
  push(bytes: Uint8Array): SignalFrame[] {
    const data = new Uint8Array(this.#rest.length + bytes.length)
    data.set(this.#rest)
    data.set(bytes, this.#rest.length)
    const frames: SignalFrame[] = []
    let at = 0
    while (at + 2 <= data.length) {
      const length = (data[at] ?? 0) * 256 + (data[at + 1] ?? 0)
      if (length > MAX_FRAME_BYTES) throw new RangeError('too large')
      if (at + 2 + length > data.length) break
      const frame = readFrame(JSON.parse(decoder.decode(data.subarray(at + 2, at + 2 + length))))
      if (frame !== undefined) frames.push(frame)
      at += 2 + length
    }
    this.#rest = data.slice(at)
    return frames
  }
}

function readFrame(value: unknown): SignalFrame | undefined {
  const { type, attempt, signal } = record(value)
  if (type === 'wanted') return { type }
  if (type === 'ways') return readWays(record(value))
  if (type !== 'signal' && type !== 'end') return undefined
  if (typeof attempt !== 'number' || !Number.isSafeInteger(attempt) || attempt < 1) throw new TypeError('no attempt')
  return type === 'end' ? { type, attempt } : { type, attempt, signal: readSignal(signal) }
}

function readWays({ webTransport, channels }: Readonly<Record<string, unknown>>): WaysFrame {
  if (!Array.isArray(webTransport) || webTransport.length > MAX_WAYS) throw new TypeError('no addresses')
  return { type: 'ways', webTransport: webTransport.map(fromBase64), channels: channels === true }
}

const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** @throws Error for what is none. */
function fromBase64(text: unknown): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('no address')
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
}

/** Only what a data channel needs: nothing else of a remote's reaches the browser. */
function readSignal(value: unknown): ChannelSignal {
  const { type, sdp, candidate, sdpMid = null, sdpMLineIndex = null } = record(value)
  if ((type === 'offer' || type === 'answer') && typeof sdp === 'string') return { type, sdp }
  const isMid = sdpMid === null || typeof sdpMid === 'string'
  const isIndex = sdpMLineIndex === null || (typeof sdpMLineIndex === 'number' && Number.isInteger(sdpMLineIndex))
  if (type === 'candidate' && typeof candidate === 'string' && isMid && isIndex)
    return { type, candidate, sdpMid: sdpMid as string | null, sdpMLineIndex: sdpMLineIndex as number | null }
  throw new TypeError('no signal')
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new TypeError('no object')
  return value as Readonly<Record<string, unknown>>
}
