import type { ChannelSignal, TransportAddress } from '../transport.js'

/** The part of a `MessagePort` that is used; messages arrive in order, once each. */
export interface LendingPort {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  removeEventListener?(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  start?(): void
}

/** Messages that a channel is given before it has taken the first of them: a window may be busy for a moment. */
export const MOST_UNDER_WAY = 4

/** Bytes that may be on their way to the peer's thread for one channel; what comes beyond them is dropped. */
export const MOST_UNSEEN_BYTES = 1024 * 1024

/** After how many bytes the peer's thread says that it has seen them. */
export const SEEN_EVERY_BYTES = 64 * 1024

/** What servers a channel is negotiated with: those that are named, or else the relays' STUN. */
export interface Servers {
  readonly iceServers: readonly unknown[] | undefined
  /** URLs. */
  readonly relays: readonly string[]
}

/** What a window tells the thread of a peer. */
export type WindowMessage =
  /** First: the Web Lock that it holds as long as it is there, where it has any, and whether it makes channels. */
  | { readonly type: 'here'; readonly lock: string | undefined; readonly lends: boolean }
  /** It lends no more. */
  | { readonly type: 'gone' }
  /** It has heard that a channel is wanted. */
  | { readonly type: 'begun'; readonly channel: number }
  | { readonly type: 'signal'; readonly channel: number; readonly signal: ChannelSignal }
  | {
      readonly type: 'through'
      readonly channel: number
      readonly isThrough: boolean
      readonly place: TransportAddress
    }
  /** A message of the peer's, and how many before it found no room. */
  | { readonly type: 'message'; readonly channel: number; readonly data: ArrayBuffer; readonly lost: number }
  /** A message was taken by the channel. */
  | { readonly type: 'taken'; readonly channel: number }
  | { readonly type: 'malformed'; readonly channel: number }
  | { readonly type: 'closed'; readonly channel: number }

/** What the thread of a peer tells a window. */
export type BorrowerMessage =
  | ({ readonly type: 'negotiate'; readonly channel: number; readonly initiator: boolean } & Servers)
  | { readonly type: 'signal'; readonly channel: number; readonly signal: ChannelSignal }
  | { readonly type: 'message'; readonly channel: number; readonly data: ArrayBuffer }
  /** So many bytes of messages were seen. */
  | { readonly type: 'seen'; readonly channel: number; readonly bytes: number }
  | { readonly type: 'close'; readonly channel: number }

/** A message's members, of which nothing is known yet. */
export type Untrusted<T> = { readonly [K in T extends unknown ? keyof T : never]?: unknown }

/** Reads what came over a port; `undefined` for other traffic, which is left alone. */
export function lendingMessage<T extends WindowMessage | BorrowerMessage>(data: unknown): Untrusted<T> | undefined {
  const told = (data as { anypathWindow?: unknown } | null | undefined)?.anypathWindow
  return typeof told === 'object' && told !== null ? (told as Untrusted<T>) : undefined
}

/** Sends a message; buffers in `transfer` move instead of being copied. */
export function post(port: LendingPort, message: WindowMessage | BorrowerMessage, transfer: Transferable[] = []): void {
  port.postMessage({ anypathWindow: message }, transfer)
}

/** A signal with nothing in it but what a data channel needs; `undefined` for what is none. */
export function signalOf(value: unknown): ChannelSignal | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { type, sdp, candidate, sdpMid, sdpMLineIndex } = value as Readonly<Record<string, unknown>>
  if ((type === 'offer' || type === 'answer') && typeof sdp === 'string') return { type, sdp }
  if (type !== 'candidate' || typeof candidate !== 'string') return undefined
  return {
    type,
    candidate,
    sdpMid: typeof sdpMid === 'string' ? sdpMid : null,
    sdpMLineIndex: typeof sdpMLineIndex === 'number' ? sdpMLineIndex : null,
  }
}

/** Bytes as a buffer that holds nothing else, which can move to another thread. */
export function ownBuffer(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteLength } = bytes
  return byteLength === buffer.byteLength ? (buffer as ArrayBuffer) : bytes.slice().buffer
}
