/** nftables rules that make a Linux router behave as a kind of NAT, in the terms of RFC 4787 sections 4 and 5. */

/** Endpoint-independent, address-dependent, address- and port-dependent (RFC 4787 sections 4.1 and 5). */
export type Dependence = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent'

interface Behaviour {
  /** How a mapping is made; `port-preserving` is Linux's masquerading, which is endpoint-independent as long as no port is taken. */
  readonly mapping: 'none' | 'port-preserving' | 'random' | 'sequential' | 'pool' | 'by-endpoint' | 'by-address'
  readonly filtering: Dependence
  /** Whether the router itself takes packets of strangers, which makes a later mapping towards them change its port. */
  readonly open?: boolean
  /** UDP leaves to port 53 only. */
  readonly blocksUdp?: boolean
}

const KINDS = {
  none: { mapping: 'none', filtering: 'endpoint-independent' },
  fullcone: { mapping: 'by-endpoint', filtering: 'endpoint-independent' },
  adf: { mapping: 'by-endpoint', filtering: 'address-dependent' },
  portrestricted: { mapping: 'by-endpoint', filtering: 'address-and-port-dependent' },
  linux: { mapping: 'port-preserving', filtering: 'address-and-port-dependent' },
  linuxopen: { mapping: 'port-preserving', filtering: 'address-and-port-dependent', open: true },
  symadm: { mapping: 'by-address', filtering: 'address-and-port-dependent' },
  symmetric: { mapping: 'random', filtering: 'address-and-port-dependent' },
  symseq: { mapping: 'sequential', filtering: 'address-and-port-dependent' },
  sympool: { mapping: 'pool', filtering: 'address-and-port-dependent' },
  udpblock: { mapping: 'port-preserving', filtering: 'address-and-port-dependent', blocksUdp: true },
} as const satisfies Record<string, Behaviour>

/** What one router does. */
export type NatKind = keyof typeof KINDS

/** What a site's routers do: that at home, and behind a slash the carrier's. */
export type SiteKind = NatKind | `${NatKind}/${NatKind}`

/** The last numbers of the addresses that a pool adds to the router's own network. */
export const POOL_HOSTS = [20, 21, 22, 23] as const

/** Ports in a row that a sequential NAT goes through. */
const SEQUENCE_LENGTH = 4096

export const kindOf = (name: string): NatKind => {
  if (!(name in KINDS)) throw new TypeError(`there is no kind of NAT called ${name}`)
  return name as NatKind
}

/** Whether inside hosts have public addresses. */
export const isUntranslated = (kind: NatKind): boolean => KINDS[kind].mapping === 'none'

/** Takes all rules of a router away. */
export const NO_RULES = 'table ip lab {}\ndelete table ip lab\n'

/** Lets nothing pass: between the loss of its mappings and its restart, one packet would teach a NAT its former port. */
export const CLOSED_RULES = `${NO_RULES}
table ip lab {
  chain off { type filter hook prerouting priority raw; policy drop; }
  chain out { type filter hook output priority raw; policy drop; }
}
`

/**
 * The rules of a router with the interfaces `wan` and `lan`.
 *
 * Its maps remember mappings apart from conntrack, because for conntrack a mapping belongs to one remote: `outside` gives the inside
 * endpoint of an external port, `inside` the way back, `permitted` is whom an inside endpoint has written to.
 *
 * @param address the router's external address
 * @param lifetimeSeconds how long a mapping lives without outbound packets
 * @param hairpin whether inside hosts reach each other by their external addresses (RFC 4787 section 6)
 */
export function natRules(kind: NatKind, address: string, lifetimeSeconds: number, hairpin = false): string {
  const behaviour: Behaviour = KINDS[kind]
  if (behaviour.mapping === 'none') return NO_RULES
  const kept = 'flags dynamic,timeout; size 65536;'
  return `${NO_RULES}
table ip lab {
  map outside { type inet_service : ipv4_addr . inet_service; ${kept} }
  map inside { type ipv4_addr . inet_service : inet_service; ${kept} }
  map insideTo { type ipv4_addr . inet_service . ipv4_addr : inet_service; ${kept} }
  set permitted { type ipv4_addr . inet_service . ipv4_addr; ${kept} }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ${behaviour.filtering === 'address-and-port-dependent' ? '' : 'iifname "wan" meta l4proto udp dnat to udp dport map @outside'}
    ${hairpin ? `iifname "lan" ip daddr ${address} meta l4proto udp dnat to udp dport map @outside` : ''}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ${hairpin ? `oifname "lan" ct status dnat meta l4proto udp snat to ${address} : ip saddr . udp sport map @inside` : ''}
    ${mappingRules(behaviour, address).join('\n    ')}
    oifname "wan" masquerade
  }
  ${learning(behaviour, lifetimeSeconds)}
  ${forwarding(behaviour, lifetimeSeconds)}
  ${behaviour.open === true ? '' : OWN_INPUT}
}
`
}

/** Rules that give every mapping another lifetime, from its next outbound packet on. */
export function lifetimeRules(kind: NatKind, lifetimeSeconds: number): string {
  const behaviour: Behaviour = KINDS[kind]
  if (behaviour.mapping === 'none') return ''
  return `flush chain ip lab learn
flush chain ip lab forward
table ip lab {
  ${learning(behaviour, lifetimeSeconds)}
  ${forwarding(behaviour, lifetimeSeconds)}
}
`
}

function mappingRules({ mapping }: Behaviour, address: string): readonly string[] {
  const fresh = `oifname "wan" meta l4proto udp snat to ${address}:1024-65535 fully-random`
  switch (mapping) {
    case 'by-endpoint':
      return [`oifname "wan" meta l4proto udp snat to ${address} : ip saddr . udp sport map @inside`, fresh]
    case 'by-address':
      return [
        `oifname "wan" meta l4proto udp snat to ${address} : ip saddr . udp sport . ip daddr map @insideTo`,
        fresh,
      ]
    case 'random':
      return ['oifname "wan" meta l4proto udp masquerade fully-random']
    case 'sequential': {
      // Through a map: numgen counts in the byte order of the host, a port is in that of the network.
      const first = 20_000 + Math.floor(Math.random() * 30_000)
      const ports = Array.from({ length: SEQUENCE_LENGTH }, (_, i) => `${i} : ${first + i}`).join(', ')
      return [`oifname "wan" meta l4proto udp snat to ${address} : numgen inc mod ${SEQUENCE_LENGTH} map { ${ports} }`]
    }
    case 'pool': {
      const [first, last] = [POOL_HOSTS[0], POOL_HOSTS.at(-1)].map((host) => address.replace(/\d+$/, String(host)))
      return [`oifname "wan" meta l4proto udp snat to ${first}-${last}:1024-65535 fully-random`]
    }
    default:
      return []
  }
}

/** After translation, when both ends of a mapping are known; every outbound packet renews it (RFC 4787 REQ-6). */
function learning({ mapping }: Behaviour, lifetimeSeconds: number): string {
  const outbound = 'meta l4proto udp ct direction original ct status snat'
  const answer = 'oifname "wan" meta l4proto udp ct direction reply ct status dnat'
  const source = 'ct original ip saddr . ct original proto-src'
  const timeout = `timeout ${lifetimeSeconds}s`
  const byAddress = `${outbound} update @insideTo { ${source} . ip daddr ${timeout} : ct reply proto-dst }`
  return `chain learn {
    type filter hook postrouting priority srcnat + 10; policy accept;
    ${outbound} update @outside { ct reply proto-dst ${timeout} : ${source} }
    ${outbound} update @inside { ${source} ${timeout} : ct reply proto-dst }
    ${mapping === 'by-address' ? byAddress : ''}
    ${answer} update @outside { ct original proto-dst ${timeout} : ct reply ip saddr . ct reply proto-src }
    ${answer} update @inside { ct reply ip saddr . ct reply proto-src ${timeout} : ct original proto-dst }
  }`
}

function forwarding({ filtering, open, blocksUdp }: Behaviour, lifetimeSeconds: number): string {
  const unsolicited =
    filtering === 'endpoint-independent'
      ? 'iifname "wan" meta l4proto udp ct status dnat accept'
      : filtering === 'address-dependent'
        ? 'iifname "wan" meta l4proto udp ip daddr . udp dport . ip saddr @permitted accept'
        : ''
  return `chain forward {
    type filter hook forward priority filter; policy accept;
    ${blocksUdp === true ? 'oifname "wan" meta l4proto udp udp dport != 53 drop' : ''}
    oifname "wan" meta l4proto udp update @permitted { ip saddr . udp sport . ip daddr timeout ${lifetimeSeconds}s }
    iifname "wan" ct state established,related accept
    ${unsolicited}
    ${open === true ? '' : 'iifname "wan" drop'}
  }`
}

/** Else a stranger's packet to the external address makes an entry of its own in conntrack, and a mapping towards him another port. */
const OWN_INPUT = `chain input {
    type filter hook input priority filter; policy accept;
    iifname "wan" ct state established,related accept
    iifname "wan" drop
    iifname "lan" meta l4proto udp drop
  }`
