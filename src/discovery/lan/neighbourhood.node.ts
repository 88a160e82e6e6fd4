import { BlockList, isIP } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import type { Family } from './link.js'

/** Linux lets a socket join 20 groups, and some machines have hundreds of virtual interfaces. */
const MAX_INTERFACES = 16

/** Addresses that no peer can be dialled at, whatever an interface's prefix has in it. */
const NEVER_DIALABLE = blockListOf([
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['224.0.0.0', 3],
  ['::', 96],
  ['fe80::', 10],
  ['ff00::', 8],
])

/** The interfaces of this machine and the networks that they are on, at one moment. */
export class Neighbourhood {
  /** Says whether two are the same. */
  readonly key: string
  readonly #infos: readonly (NetworkInterfaceInfo & { readonly name: string })[]
  readonly #networks: BlockList
  readonly #broadcasts: BlockList

  constructor(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces()) {
    this.#infos = Object.entries(interfaces).flatMap(([name, infos = []]) =>
      infos.filter(({ internal }) => !internal).map((info) => ({ ...info, name })),
    )
    this.key = this.#infos.map(({ name, address, netmask }) => `${name} ${address} ${netmask}`).join('\n')
    this.#networks = blockListOf(this.#infos.map(({ address, cidr }) => [address, prefixOf(cidr)]))
    this.#broadcasts = new BlockList()
    for (const info of this.#infos) {
      // A network of two or of one has none (RFC 3021).
      if (info.family === 'IPv4' && prefixOf(info.cidr) < 31) this.#broadcasts.addAddress(broadcastOf(info))
    }
  }

  /** How `node:dgram` is told of each interface. Those with nothing but a link-local IPv6 address are left out: nobody could be dialled there. */
  interfaces(family: Family): string[] {
    const usable = this.#infos.filter((info) => info.family === `IPv${family}` && !/^fe[89ab]/i.test(info.address))
    const zone = (info: { name: string; scopeid?: number }) => (process.platform === 'win32' ? info.scopeid : info.name)
    const names = usable.map((info) => (family === 4 ? info.address : `::%${zone(info)}`))
    return [...new Set(names)].slice(0, MAX_INTERFACES)
  }

  /** As `Link.isNeighbour`. */
  isNeighbour(host: string): boolean {
    const [address = ''] = host.split('%')
    return isIP(address) !== 0 && this.#networks.check(address, familyOf(address))
  }

  /** As `Link.isDialable`. */
  isDialable(host: string): boolean {
    if (isIP(host) === 0 || host.includes('%')) return false
    const family = familyOf(host)
    if (NEVER_DIALABLE.check(host, family) || this.#broadcasts.check(host, family)) return false
    return this.#networks.check(host, family)
  }
}

function blockListOf(networks: readonly (readonly [address: string, prefix: number])[]): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of networks) list.addSubnet(address, prefix, familyOf(address))
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

/** An interface whose netmask has holes has no prefix; then its own address is all that is known to be there. */
function prefixOf(cidr: string | null): number {
  return Number(cidr?.split('/')[1] ?? (cidr?.includes(':') ? 128 : 32))
}

function broadcastOf({ address, netmask }: NetworkInterfaceInfo): string {
  const mask = netmask.split('.').map(Number)
  return address
    .split('.')
    .map((part, index) => Number(part) | (~(mask[index] ?? 255) & 0xff))
    .join('.')
}
