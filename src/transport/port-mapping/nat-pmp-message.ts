/** Messages of the NAT Port Mapping Protocol (RFC 6886): requests of a host, and what a router answers. */
import type { Unusable } from './pcp-message.js'

const VERSION = 0
const EXTERNAL_ADDRESS = 0
const MAP_UDP = 1
const ANSWER = 0x80

/** What a router answers to the question for its address. */
export interface NatPmpAddress {
  /** 0 is success (RFC 6886 section 3.5). */
  readonly result: number
  readonly host: string
}

/** What a router answers to the request for a port. */
export interface NatPmpMapping {
  readonly result: number
  readonly externalPort: number
  readonly lifetimeSeconds: number
}

/** Asks for the router's external address (RFC 6886 section 3.2). */
export function encodeNatPmpAddress(): Uint8Array {
  return Uint8Array.of(VERSION, EXTERNAL_ADDRESS)
}

/** Asks to forward a UDP port (RFC 6886 section 3.3); with a lifetime and an external port of 0, to stop that (section 3.4). */
export function encodeNatPmpMap(internalPort: number, suggestedPort: number, lifetimeSeconds: number): Uint8Array {
  const packet = new Uint8Array(12)
  packet[1] = MAP_UDP
  const view = new DataView(packet.buffer)
  view.setUint16(4, internalPort)
  view.setUint16(6, suggestedPort)
  view.setUint32(8, lifetimeSeconds)
  return packet
}

export function readNatPmpAddress(packet: Uint8Array): NatPmpAddress | Unusable {
  const view = readHeader(packet, EXTERNAL_ADDRESS, 12)
  if (typeof view === 'string') return view
  const host = packet.length < 12 ? '0.0.0.0' : packet.subarray(8, 12).join('.')
  return { result: view.getUint16(2), host }
}

/** Reads the answer to a request for that internal port; one for another is `unexpected`. */
export function readNatPmpMap(packet: Uint8Array, internalPort: number): NatPmpMapping | Unusable {
  const view = readHeader(packet, MAP_UDP, 16)
  if (typeof view === 'string') return view
  const result = view.getUint16(2)
  if (result !== 0) return { result, externalPort: 0, lifetimeSeconds: 0 }
  if (view.getUint16(8) !== internalPort) return 'unexpected'
  return { result, externalPort: view.getUint16(10), lifetimeSeconds: view.getUint32(12) }
}

const RESULTS = [
  'success',
  'version not supported',
  'not authorized',
  'no network behind the router',
  'no resources',
  'operation not supported',
]

export const natPmpResultText = (result: number): string => RESULTS[result] ?? `result ${result}`

/** A refusal need not be as long as the answer would be. */
function readHeader(packet: Uint8Array, operation: number, bytes: number): DataView | Unusable {
  if (packet.length < 8 || packet[0] !== VERSION) return 'malformed'
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  if (packet[1] !== (ANSWER | operation)) return 'unexpected'
  return view.getUint16(2) === 0 && packet.length < bytes ? 'malformed' : view
}
