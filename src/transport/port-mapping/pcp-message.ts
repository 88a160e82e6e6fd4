/** Messages of the Port Control Protocol (RFC 6887): requests of a host, and what a router answers. */

const VERSION = 2
const MAP = 1
const ANSWER = 0x80
const UDP = 17
const HEADER_BYTES = 24
const MAP_BYTES = 60
/** RFC 6887 section 7. */
const MAX_BYTES = 1100

export const NONCE_BYTES = 12

/** What is asked of a router: to forward a UDP port, or with a lifetime of 0 to stop that. */
export interface PcpMapRequest {
  /** The IPv4 address that the request is sent from. */
  readonly clientHost: string
  /** Proves to the router that a later request comes from the same host. */
  readonly nonce: Uint8Array
  readonly internalPort: number
  readonly suggestedPort: number
  readonly lifetimeSeconds: number
}

/** What a router answers to a request. */
export interface PcpAnswer {
  /** 0 is success (RFC 6887 section 7.4). */
  readonly result: number
  readonly lifetimeSeconds: number
  /** Where the port is forwarded from; only where that succeeded. */
  readonly external?: { readonly host: string; readonly port: number }
}

/** What was wrong with a packet. */
export type Unusable = 'malformed' | 'unexpected'

/** Asks to forward a port (RFC 6887 section 11.1). */
export function encodePcpMap(request: PcpMapRequest): Uint8Array {
  const packet = header(MAP, request.lifetimeSeconds, request.clientHost, MAP_BYTES)
  packet.set(request.nonce, 24)
  packet[36] = UDP
  const view = new DataView(packet.buffer)
  view.setUint16(40, request.internalPort)
  view.setUint16(42, request.suggestedPort)
  packet.set(mappedIpv4('0.0.0.0'), 44)
  return packet
}

/** Reads the answer to a MAP request; one to another request is `unexpected`. */
export function readPcpMap(
  packet: Uint8Array,
  { nonce, internalPort }: Pick<PcpMapRequest, 'nonce' | 'internalPort'>,
): PcpAnswer | Unusable {
  const answer = readHeader(packet, MAP)
  if (typeof answer === 'string' || answer.result !== 0) return answer
  if (packet.length < MAP_BYTES) return 'malformed'
  const view = new DataView(packet.buffer, packet.byteOffset)
  const isOther = !nonce.every((byte, i) => packet[24 + i] === byte) || packet[36] !== UDP
  if (isOther || view.getUint16(40) !== internalPort) return 'unexpected'
  const host = ipv4Of(packet.subarray(44, 60))
  return host === undefined ? 'malformed' : { ...answer, external: { host, port: view.getUint16(42) } }
}

/** RFC 6887 section 7.4. */
export const UNSUPPORTED_VERSION = 1

const RESULTS = [
  'success',
  'version not supported',
  'not authorized',
  'malformed request',
  'operation not supported',
  'option not supported',
  'malformed option',
  'no network behind the router',
  'no resources',
  'protocol not supported',
  'quota exceeded',
  'external port not available',
  'address mismatch: there is another NAT between',
  'too many remote peers',
]

export const pcpResultText = (result: number): string => RESULTS[result] ?? `result ${result}`

function header(opcode: number, lifetimeSeconds: number, clientHost: string, bytes: number): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(bytes)
  packet[0] = VERSION
  packet[1] = opcode
  new DataView(packet.buffer).setUint32(4, lifetimeSeconds)
  packet.set(mappedIpv4(clientHost), 8)
  return packet
}

function readHeader(packet: Uint8Array, opcode: number): PcpAnswer | Unusable {
  const [version, operation, , result = 0] = packet
  if (packet.length < 4 || packet.length > MAX_BYTES) return 'malformed'
  // A router that knows only NAT-PMP says so in its own format (RFC 6886 section 3.5), whose header is shorter.
  if (version !== VERSION) {
    const isRefusal = result === UNSUPPORTED_VERSION && ((operation ?? 0) & ANSWER) !== 0
    return isRefusal ? { result, lifetimeSeconds: 0 } : 'malformed'
  }
  if (packet.length < HEADER_BYTES || packet.length % 4 !== 0) return 'malformed'
  if (operation !== (ANSWER | opcode)) return 'unexpected'
  const view = new DataView(packet.buffer, packet.byteOffset)
  return { result, lifetimeSeconds: view.getUint32(4) }
}

function mappedIpv4(host: string): Uint8Array {
  return Uint8Array.from([...Array(10).fill(0), 0xff, 0xff, ...host.split('.').map(Number)])
}

function ipv4Of(address: Uint8Array): string | undefined {
  const isMapped = address.every((byte, i) => i >= 12 || byte === (i < 10 ? 0 : 0xff))
  return isMapped ? address.subarray(12).join('.') : undefined
}
