import { createError } from '../errors/index.js'
import type { AddressCodec, SocketAddress } from './address.js'
import { ByteWriter } from './bytes.js'

/** Where a peer may be: sockets by carrier, and relays by URL. */
export interface DialTargets {
  readonly addresses: readonly (SocketAddress & { readonly carrier: number; readonly delayMs?: number })[]
  readonly relays: readonly { readonly url: string; readonly delayMs?: number }[]
}

export interface DialRequest extends DialTargets {
  readonly remoteId: Uint8Array
  readonly alpn: Uint8Array
  readonly earlyData: boolean
}

/**
 * Writes the input of `connect`.
 *
 * @throws AnypathError `InvalidKey`, or `InvalidArgument` for a host that is no IP address.
 */
export function encodeDial(request: DialRequest, codec: AddressCodec): Uint8Array {
  if (request.remoteId.length !== 32)
    throw createError('InvalidKey', `the remote id has ${request.remoteId.length} bytes, not 32`)
  const writer = new ByteWriter().bytes(request.remoteId).u32(request.earlyData ? 1 : 0)
  writer.bytes8(request.alpn, 'alpn')
  writeTargets(writer, request, codec)
  return writer.written
}

/** Writes the input of `add_addresses`. */
export function encodeTargets(targets: DialTargets, codec: AddressCodec): Uint8Array {
  const writer = new ByteWriter()
  writeTargets(writer, targets, codec)
  return writer.written
}

/** Writes the input of `set_local_addresses`, `set_stun_servers` and `set_mapped_addresses`; what is no IP address is left out. */
export function encodeAddresses(addresses: readonly SocketAddress[], codec: AddressCodec): Uint8Array {
  const encoded = addresses.map(({ host, port }) => codec.encode(host, port)).filter((bytes) => bytes !== undefined)
  const writer = new ByteWriter().u16(encoded.length)
  for (const bytes of encoded) writer.bytes(bytes)
  return writer.written
}

/** Address-discovery services, and the certificates in DER that theirs have to lead to. */
export interface DiscoveryServicesRequest {
  readonly anchors: readonly (readonly Uint8Array[])[]
  /** `name` is what the certificate is for, `anchors` the place of a set. */
  readonly services: readonly (SocketAddress & { readonly name: string; readonly anchors: number })[]
}

/** Writes the input of `set_discovery_services`; a service whose host is no IP address is left out. */
export function encodeDiscoveryServices(
  { anchors, services }: DiscoveryServicesRequest,
  codec: AddressCodec,
): Uint8Array {
  const writer = new ByteWriter().u16(anchors.length)
  for (const set of anchors) {
    writer.u16(set.length)
    for (const certificate of set) writer.bytes16(certificate, 'a certificate')
  }
  const encoded = services.flatMap((service) => {
    const address = codec.encode(service.host, service.port)
    return address === undefined ? [] : [{ ...service, address }]
  })
  writer.u16(encoded.length)
  for (const { address, name, anchors: set } of encoded) writer.bytes(address).text16(name, 'a name').u16(set)
  return writer.written
}

/** Writes the input of `set_relays`. */
export function encodeRelays(urls: readonly string[]): Uint8Array {
  const writer = new ByteWriter().u16(urls.length)
  for (const url of urls) writer.text16(url, "a relay's address")
  return writer.written
}

function writeTargets(writer: ByteWriter, { addresses, relays }: DialTargets, codec: AddressCodec): void {
  writer.u16(addresses.length)
  for (const { carrier, host, port, delayMs } of addresses) {
    const bytes = codec.encode(host, port)
    if (!bytes) throw createError('InvalidArgument', `${host} port ${port} is no IP address`)
    writer.u32(carrier).bytes(bytes).u16(delay(delayMs))
  }
  writer.u16(relays.length)
  for (const { url, delayMs } of relays) writer.text16(url, "a relay's address").u16(delay(delayMs))
}

function delay(delayMs = 0): number {
  return Math.min(Math.max(delayMs, 0), 0xffff)
}
