import { ADDRESS_BYTES, AddressCodec, type SocketAddress } from './address.js'

/** The path on which a session carries packets of peers. */
export const CARRIER_PATH = '/.well-known/anypath/1'

const VERSION = 0
/** Of an address that is reached over TCP. */
const TCP_VERSION = 1
const HEAD_BYTES = 3
const HASH_BYTES = 32
/** An IP address of 16 bytes, IPv4 mapped, and a port. */
const SOCKET_BYTES = 18
const MAX_HASHES = 2
/** How many sockets there may be: a page opens sessions to all of them, and may have been given the ticket by a stranger. */
export const MAX_SOCKETS = 8

/** Where a browser opens a session to a peer, and by what it knows that peer's certificates. */
export interface WebTransportAddress {
  /** SHA-256 of the certificate of now, and of the next one. */
  readonly hashes: readonly Uint8Array<ArrayBuffer>[]
  readonly sockets: readonly SocketAddress[]
  /**
   * Where it is reached over TCP: the host's name to which its certificate belongs, or an empty text without TLS. Then there are no hashes. It is
   * a stranger's, and may be no name.
   */
  readonly name?: string
}

/**
 * Writes the data of a custom address: version 0, the number of hashes (1 or 2), the number of sockets (1 to 8), the hashes of 32 bytes
 * each, and for each socket an IP address of 16 bytes (IPv4 mapped) and a port of 2, little-endian. `undefined` where there is no hash or
 * no socket; what is beyond the limits is left out.
 */
export function encodeWebTransportAddress(
  { hashes, sockets }: WebTransportAddress,
  codec: AddressCodec,
): Uint8Array<ArrayBuffer> | undefined {
  const known = hashes.slice(0, MAX_HASHES)
  const places = sockets.flatMap(({ host, port }) => codec.encode(host, port) ?? []).slice(0, MAX_SOCKETS)
  if (known.length === 0 || places.length === 0) return undefined
  const parts = [
    [VERSION, known.length, places.length],
    ...known,
    ...places.map((place) => place.subarray(0, SOCKET_BYTES)),
  ]
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

/** What a ticket tells browsers of a peer with these certificates, at these sockets; `undefined` where it does not listen for them. */
export function webTransportAddress(
  certificates: readonly { readonly sha256: Uint8Array<ArrayBuffer> }[],
  sockets: readonly SocketAddress[],
): Uint8Array<ArrayBuffer> | undefined {
  return encodeWebTransportAddress({ hashes: certificates.map(({ sha256 }) => sha256), sockets }, new AddressCodec())
}

/**
 * Writes the data of an address that is reached over TCP: version 1, the length of the name, the number of sockets (1 to 8), the name, and the
 * sockets as above. `undefined` where there is no socket.
 *
 * @param name the host's name to which the certificate belongs, at most 253 bytes of ASCII; an empty text without TLS.
 */
export function tcpAddress(name: string, sockets: readonly SocketAddress[]): Uint8Array<ArrayBuffer> | undefined {
  const codec = new AddressCodec()
  const places = sockets.flatMap(({ host, port }) => codec.encode(host, port) ?? []).slice(0, MAX_SOCKETS)
  if (places.length === 0) return undefined
  const parts = [
    [TCP_VERSION, name.length, places.length],
    new TextEncoder().encode(name),
    ...places.map((place) => place.subarray(0, SOCKET_BYTES)),
  ]
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

/** Reads both kinds; `undefined` for anything else. */
export function decodeWebTransportAddress(data: Uint8Array, codec: AddressCodec): WebTransportAddress | undefined {
  const [version, count = 0, socketCount = 0] = data
  const isTcp = version === TCP_VERSION
  const socketsAt = HEAD_BYTES + count * (isTcp ? 1 : HASH_BYTES)
  const fits =
    (isTcp || (version === VERSION && count > 0 && count <= MAX_HASHES)) &&
    socketCount > 0 &&
    socketCount <= MAX_SOCKETS &&
    data.length === socketsAt + socketCount * SOCKET_BYTES
  if (!fits) return undefined
  const head = data.subarray(HEAD_BYTES, socketsAt)
  const hashes: Uint8Array<ArrayBuffer>[] = []
  const sockets: SocketAddress[] = []
  if (!isTcp)
    for (let at = 0; at < head.length; at += HASH_BYTES)
      hashes.push(Uint8Array.from(head.subarray(at, at + HASH_BYTES)))
  for (let at = socketsAt; at < data.length; at += SOCKET_BYTES) {
    const bytes = new Uint8Array(ADDRESS_BYTES)
    bytes.set(data.subarray(at, at + SOCKET_BYTES))
    const { host, port } = codec.decode(bytes, 0)
    sockets.push({ host, port })
  }
  if (sockets.some(({ port }) => port === 0)) return undefined
  return { hashes, sockets, ...(isTcp && { name: String.fromCharCode(...head) }) }
}
