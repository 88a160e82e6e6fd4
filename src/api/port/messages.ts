import type { Engine, EngineEvent } from '../../driver/engine.js'
import type { SerializedError } from '../../errors/index.js'

/**
 * The part of a `MessagePort` that is used. A `MessagePort` of a browser, of Node's `worker_threads`, and a dedicated `Worker` fit; messages
 * have to arrive in order, once each.
 */
export interface EnginePort {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: 'close' | 'messageerror', listener: () => void): void
  start?(): void
  close?(): void
}

/** The engine's methods that answer. */
export const CALLS = [
  'relays',
  'localAddresses',
  'connect',
  'openStream',
  'read',
  'write',
  'finish',
  'sendDatagram',
  'maxDatagramBytes',
  'connectionStats',
  'peerStats',
  'answerSession',
  'webTransportCertificates',
  'parseTicket',
  'formatTicket',
  'close',
] as const satisfies readonly (keyof Engine)[]

/** The engine's methods that do not. */
export const CASTS = [
  'addAddresses',
  'admit',
  'reset',
  'stop',
  'setPriority',
  'closeConnection',
  'ping',
  'keyUpdate',
  'networkChanged',
  'setVisible',
  'wake',
  'resumed',
] as const satisfies readonly (keyof Engine)[]

export type CallName = (typeof CALLS)[number]
export type CastName = (typeof CASTS)[number]

/** From the side that uses the engine. */
export type Request =
  | { readonly type: 'attach' }
  | { readonly type: 'call'; readonly call: number; readonly method: CallName; readonly args: readonly unknown[] }
  | { readonly type: 'cast'; readonly method: CastName; readonly args: readonly unknown[] }
  | { readonly type: 'detach'; readonly reason?: string }

/** From the side that has the engine. */
export type Reply =
  | { readonly type: 'attached'; readonly endpointId: Uint8Array }
  | { readonly type: 'result'; readonly call: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly call: number; readonly error: SerializedError }
  | { readonly type: 'event'; readonly event: EngineEvent }
  | { readonly type: 'detached' }

/** A message of the other side, if it is one: other traffic on the port is left alone. */
export function messageOf<T extends Request | Reply>(data: unknown): T | undefined {
  if (typeof data !== 'object' || data === null || !('anypath' in data)) return undefined
  return data.anypath as T
}

/** Sends a message; buffers in `transfer` move instead of being copied. */
export function post(port: EnginePort, message: Request | Reply, transfer: Transferable[] = []): void {
  port.postMessage({ anypath: message }, transfer)
}
