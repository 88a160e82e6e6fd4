import { ADDRESS_BYTES, AddressCodec, type SocketAddress } from './address.js'

/** The path on which a session carries packets of peers. */
export const CARRIER_PATH = '/.well-known/anypath/1'

const VERSION = 0
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

/** Reads the same; `undefined` for anything else. */
export function decodeWebTransportAddress(data: Uint8Array, codec: AddressCodec): WebTransportAddress | undefined {
  const [version, hashCount = 0, socketCount = 0] = data
  const socketsAt = HEAD_BYTES + hashCount * HASH_BYTES
  const fits =
    version === VERSION &&
    hashCount > 0 &&
    hashCount <= MAX_HASHES &&
    socketCount > 0 &&
    socketCount <= MAX_SOCKETS &&
    data.length === socketsAt + socketCount * SOCKET_BYTES
  if (!fits) return undefined
  const hashes: Uint8Array<ArrayBuffer>[] = []
  const sockets: SocketAddress[] = []
  for (let at = HEAD_BYTES; at < socketsAt; at += HASH_BYTES)
    hashes.push(Uint8Array.from(data.subarray(at, at + HASH_BYTES)))
  for (let at = socketsAt; at < data.length; at += SOCKET_BYTES) {
    const bytes = new Uint8Array(ADDRESS_BYTES)
    bytes.set(data.subarray(at, at + SOCKET_BYTES))
    const { host, port } = codec.decode(bytes, 0)
    sockets.push({ host, port })
  }
  return sockets.every(({ port }) => port > 0) ? { hashes, sockets } : undefined
}
