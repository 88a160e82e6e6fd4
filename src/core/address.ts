import { formatIpv6, parseIpv4, parseIpv6 } from './ip.js'

/** Bytes of a socket address at the boundary: IP 16 (IPv4 mapped), port u16, 0 u16, scope id u32. */
export const ADDRESS_BYTES = 24

/** A socket address as text and number; the same object comes back while it is in the cache. */
export interface SocketAddress {
  readonly host: string
  readonly port: number
}

interface Entry extends SocketAddress {
  readonly bytes: Uint8Array
}

/**
 * Turns socket addresses between text and the boundary's 24 bytes.
 *
 * Both ways are cached, because packets come from and go to few addresses: a hit builds no string and no object. The caches are
 * bounded, so that a flood from spoofed addresses only makes them useless for its duration.
 */
export class AddressCodec {
  readonly #limit: number
  readonly #byText = new Map<string, Map<number, Entry>>()
  readonly #byHash = new Map<number, Entry>()
  readonly #zones: string[] = []
  #count = 0
  #lastEncoded: Entry | undefined
  #lastDecoded: Entry | undefined

  constructor(limit = 1024) {
    this.#limit = limit
  }

  /** The 24 bytes of an address, not to be changed; undefined when `host` is no IP address. IPv6 may have a zone (`fe80::1%eth0`). */
  encode(host: string, port: number): Uint8Array | undefined {
    const last = this.#lastEncoded
    if (last !== undefined && last.port === port && last.host === host) return last.bytes
    const entry = this.#byText.get(host)?.get(port) ?? this.#parse(host, port)
    this.#lastEncoded = entry ?? last
    return entry?.bytes
  }

  /** Reads the 24 bytes at `offset`. */
  decode(source: Uint8Array, offset: number): SocketAddress {
    const last = this.#lastDecoded
    if (last !== undefined && sameAddress(last.bytes, source, offset)) return last
    const hash = hashAddress(source, offset)
    const found = this.#byHash.get(hash)
    const entry =
      found !== undefined && sameAddress(found.bytes, source, offset) ? found : this.#format(source, offset, hash)
    this.#lastDecoded = entry
    return entry
  }

  #parse(host: string, port: number): Entry | undefined {
    const percent = host.indexOf('%')
    const ip = percent < 0 ? (mapped(host) ?? parseIpv6(host)) : parseIpv6(host.slice(0, percent))
    if (!ip || !Number.isInteger(port) || port < 0 || port > 0xffff) return undefined
    const bytes = new Uint8Array(ADDRESS_BYTES)
    bytes.set(ip)
    const view = new DataView(bytes.buffer)
    view.setUint16(16, port, true)
    if (percent >= 0) view.setUint32(20, this.#zoneNumber(host.slice(percent + 1)), true)
    const entry = { host, port, bytes }
    this.#makeRoom()
    const ports = this.#byText.get(host)
    if (ports) ports.set(port, entry)
    else this.#byText.set(host, new Map([[port, entry]]))
    return entry
  }

  #format(source: Uint8Array, offset: number, hash: number): Entry {
    const bytes = source.slice(offset, offset + ADDRESS_BYTES)
    // A transmit keeps its segment size here; it is no part of the address.
    bytes[18] = 0
    bytes[19] = 0
    const view = new DataView(bytes.buffer)
    const zone = this.#zones[view.getUint32(20, true) - 1]
    const host = isMapped(bytes)
      ? bytes.subarray(12, 16).join('.')
      : formatIpv6(bytes.subarray(0, 16)) + (zone ? `%${zone}` : '')
    const entry = { host, port: view.getUint16(16, true), bytes }
    this.#makeRoom()
    this.#byHash.set(hash, entry)
    return entry
  }

  /** Zones are names here and numbers in the core, which only compares them. */
  #zoneNumber(zone: string): number {
    const known = this.#zones.indexOf(zone)
    if (known >= 0) return known + 1
    return this.#zones.length < 256 ? this.#zones.push(zone) : 0
  }

  #makeRoom(): void {
    if (this.#count >= this.#limit) {
      this.#byText.clear()
      this.#byHash.clear()
      this.#count = 0
    }
    this.#count += 1
  }
}

function mapped(host: string): number[] | undefined {
  const ip = parseIpv4(host)
  return ip && [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...ip]
}

function isMapped(bytes: Uint8Array): boolean {
  for (let index = 0; index < 10; index++) if (bytes[index] !== 0) return false
  return bytes[10] === 0xff && bytes[11] === 0xff
}

function sameAddress(bytes: Uint8Array, other: Uint8Array, offset: number): boolean {
  for (let index = 0; index < 18; index++) if (bytes[index] !== other[offset + index]) return false
  for (let index = 20; index < ADDRESS_BYTES; index++) if (bytes[index] !== other[offset + index]) return false
  return true
}

/** FNV-1a over everything but the segment size. */
function hashAddress(bytes: Uint8Array, offset: number): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < ADDRESS_BYTES; index++) {
    if (index === 18 || index === 19) continue
    hash = Math.imul(hash ^ (bytes[offset + index] ?? 0), 0x01000193)
  }
  return hash >>> 0
}
