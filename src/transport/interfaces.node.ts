import { readFileSync } from 'node:fs'
import { BlockList } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

/** Bytes of an IPv6 and a UDP header: what a packet has to leave of an interface's MTU, whichever family it takes. */
const HEADERS_BYTES = 48

/** Every QUIC path carries this (RFC 9000 section 14). */
const SMALLEST_PACKET_BYTES = 1200

type NamedInterface = NetworkInterfaceInfo & { readonly name: string }

/**
 * The addresses under which a socket bound to an unspecified address is reached.
 *
 * Link-local IPv6 is left out: it means nothing on another machine. Loopback is only there when nothing else is.
 */
export function reachableHosts(families: readonly ('IPv4' | 'IPv6')[]): string[] {
  const candidates = interfaces().filter(
    ({ family, address }) => families.includes(family) && !/^fe[89ab]/i.test(address),
  )
  const outside = candidates.filter(({ internal }) => !internal)
  return (outside.length > 0 ? outside : candidates).map(({ address }) => address)
}

/**
 * Everything about the interfaces that a socket bound to `host` depends on, as one text to compare: where others reach it, or whether
 * its one address is there.
 */
export function networkOf(host: string): string {
  if (host === '::' || host === '0.0.0.0') return reachableHosts(['IPv4', 'IPv6']).sort().join(' ')
  return interfaces().some(({ address }) => address === host) ? host : ''
}

/**
 * The largest packet that no interface in use would fragment, at most `most`.
 *
 * Node tells no MTU, so it is read where Linux keeps it; elsewhere an interface counts as Ethernet.
 *
 * @param host the address that the socket is bound to; an unspecified one uses every interface.
 */
export function largestPacketBytes(host: string, most: number): number {
  const unspecified = host === '::' || host === '0.0.0.0'
  let largest = most
  for (const { name, address, internal } of interfaces()) {
    if (unspecified ? internal : address !== host) continue
    largest = Math.min(largest, interfaceMtu(name) - HEADERS_BYTES)
  }
  return Math.max(largest, SMALLEST_PACKET_BYTES)
}

/** Whether an IPv4 address is in a network that one of this machine's interfaces is on. */
export function isNeighbour(host: string): boolean {
  const networks = new BlockList()
  for (const { family, address, cidr } of interfaces()) {
    if (family === 'IPv4') networks.addSubnet(address, Number(cidr?.split('/')[1] ?? 32))
  }
  return networks.check(host)
}

function interfaceMtu(name: string): number {
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name.split(':')[0]}/mtu`, 'utf8'))
    return mtu > 0 ? mtu : 1500
  } catch {
    return 1500
  }
}

function interfaces(): NamedInterface[] {
  return Object.entries(networkInterfaces()).flatMap(([name, infos]) =>
    (infos ?? []).map((info) => ({ ...info, name })),
  )
}
