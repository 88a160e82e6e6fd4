/**
 * Real NATs of one Linux kernel, in network namespaces.
 *
 *                 srv 203.0.113.1 and .2: relays, STUN
 *                  |
 *                core                  every site's delay and loss is here
 *         _______/ | \____________________
 *        |         |                      |
 *      [xa]      [xb]  carriers          rc  a cellular network, 198.51.100.10
 *        |         |                      |
 *       ra        rb   at home            |
 *        |         |                      |
 *       ca        cb ...... ca -----------'
 *
 * The first site's WAN is 198.18.1.10 and its LAN 192.168.1.0/24, the second one's 198.18.2.10 and 192.168.2.0/24, and so on; a carrier gives
 * 100.64.x.10 between.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Hosts, type Program } from './hosts.js'
import {
  CLOSED_RULES,
  isUntranslated,
  kindOf,
  lifetimeRules,
  type NatKind,
  natRules,
  POOL_HOSTS,
  type SiteKind,
} from './nat-rules.js'

export const SERVERS = ['203.0.113.1', '203.0.113.2'] as const

export const root = process.env.ANYPATH_ROOT ?? process.cwd()
const script = (name: string): string => join(root, 'test', 'natlab', name)

/** One-way delay and loss of a site's access link, in both directions. */
export interface Impairment {
  /** @default 25 */
  readonly delayMs?: number
  readonly jitterMs?: number
  readonly lossPercent?: number
  readonly rateKbit?: number
}

const DEFAULT_DELAY_MS = 25

export interface LaboratoryOptions {
  /** What routers there are at each site. A site is named by a letter, and perhaps a number. */
  readonly sites: Readonly<Record<string, SiteKind>>
  /** Gives the client of a site a second link, behind a NAT of this kind. @default none */
  readonly cellular?: NatKind
  /** The site whose client that is. @default 'a' */
  readonly roaming?: string
  /** @default a delay of 25 ms */
  readonly impairment?: Impairment
  /** How long a mapping lives without outbound packets. @default 30 */
  readonly mappingLifetimeSeconds?: number
  /** Whether NATs pass what their inside hosts send to each other's external addresses. @default false */
  readonly hairpin?: boolean
}

export type Router = `${'r' | 'x'}${string}`
export type Client = `c${string}`

/** The second link as the core sees it. */
const CELLULAR = 'c'

interface SitePlan {
  readonly site: string
  readonly kinds: readonly [home: NatKind, carrier?: NatKind]
  /** First three numbers of networks. */
  readonly wan: string
  readonly lan: string
  readonly carrierNet: string
}

interface RouterState {
  kind: NatKind
  address: string
  readonly prefixLength: number
  readonly gateway: string
}

/** Of the queues that delay packets; each site has two. */
const FIRST_QUEUE = 20

export class Laboratory {
  readonly hosts: Hosts
  readonly #options: LaboratoryOptions
  readonly #plans: readonly SitePlan[]
  readonly #routers = new Map<Router, RouterState>()
  #lifetimeSeconds: number
  #impairer: Program | undefined
  #impaired: ((queue: number) => void)[] = []
  /** The first queue of each site that has some. */
  readonly #queues = new Map<string, number>()

  private constructor(hosts: Hosts, options: LaboratoryOptions, plans: readonly SitePlan[]) {
    this.hosts = hosts
    this.#options = options
    this.#plans = plans
    this.#lifetimeSeconds = options.mappingLifetimeSeconds ?? 30
  }

  static async start(options: LaboratoryOptions): Promise<Laboratory> {
    const plans = Object.entries(options.sites).map(sitePlan)
    const names = plans.flatMap(({ site, kinds }) => [
      `r${site}`,
      `c${site}`,
      ...(kinds[1] === undefined ? [] : [`x${site}`]),
    ])
    const cellular = options.cellular === undefined ? [] : ['rc']
    const hosts = await Hosts.start(['core', 'srv', ...names, ...cellular])
    const laboratory = new Laboratory(hosts, options, plans)
    try {
      await laboratory.#build()
      return laboratory
    } catch (error) {
      await hosts.end()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async end(): Promise<void> {
    await this.hosts.end()
  }

  /** Makes the router of another kind, as another box in its place would be. */
  async setKind(router: Router, kind: NatKind): Promise<void> {
    this.#router(router).kind = kind
    await this.reboot(router)
  }

  /** Forgets every mapping, as a power cycle does, and is off for a while. */
  async reboot(router: Router, offMs = 0): Promise<void> {
    await this.hosts.in(router, ['nft', '-f', '-'], CLOSED_RULES)
    await this.hosts.in(router, ['python3', script('conntrack-flush.py')])
    if (offMs > 0) await sleep(offMs)
    await this.#applyRules(router)
  }

  /** Gives the router another external address, `.10` or `.11` in turn, and forgets every mapping. */
  async renumber(router: Router): Promise<string> {
    const state = this.#router(router)
    const former = state.address
    state.address = former.endsWith('.10') ? former.replace(/10$/, '11') : former.replace(/11$/, '10')
    await this.hosts.configure(router, [
      `addr del ${former}/${state.prefixLength} dev wan`,
      `addr add ${state.address}/${state.prefixLength} dev wan`,
      `route replace default via ${state.gateway}`,
    ])
    await this.reboot(router)
    return state.address
  }

  /** From now on mappings live that long without packets, those that there are from their next one on. */
  async setMappingLifetime(router: Router, seconds: number): Promise<void> {
    this.#lifetimeSeconds = seconds
    await this.#applyLifetime(router)
    await this.hosts.in(router, ['nft', '-f', '-'], lifetimeRules(this.#router(router).kind, seconds))
  }

  /** The UDP mappings that the router has, as conntrack and its rules know them. */
  async mappings(router: Router): Promise<readonly string[]> {
    const flows = await this.hosts.in(router, ['cat', '/proc/net/nf_conntrack'])
    const kept = await this.hosts.in(router, ['nft', 'list', 'map', 'ip', 'lab', 'inside'])
    const isMapping = (line: string) => / udp .* src=|expires/.test(line)
    return `${flows}\n${kept}`.split('\n').filter(isMapping)
  }

  /** Changes which links the roaming client has; `wifi` is the one through its home. Needs `cellular`. */
  async handover(to: 'wifi' | 'cell' | 'both'): Promise<void> {
    const client = `c${this.#roaming}`
    const plan = this.#plans.find(({ site }) => site === this.#roaming)
    if (to !== 'cell') {
      const gateway = plan !== undefined && isUntranslated(plan.kinds[0]) ? `${plan.wan}.129` : `${plan?.lan}.1`
      await this.hosts.configure(client, [
        'link set dev eth0 up',
        `route replace default via ${gateway} dev eth0 metric 100`,
      ])
    }
    if (to !== 'wifi') {
      await this.hosts.configure(client, [
        'link set dev cell0 up',
        'addr replace 10.20.0.2/24 dev cell0',
        'route replace default via 10.20.0.1 dev cell0 metric 200',
      ])
    }
    if (to !== 'both') await this.hosts.configure(client, [`link set dev ${to === 'cell' ? 'eth0' : 'cell0'} down`])
  }

  /** Nothing passes in either direction for that long; the link stays up. */
  async outage(site: string, forMs: number): Promise<void> {
    const rules = `table ip outage {
      chain in { type filter hook prerouting priority raw; iifname "${site}" drop
      }
      chain out { type filter hook forward priority raw; oifname "${site}" drop
      }
    }`
    await this.hosts.in('core', ['nft', '-f', '-'], rules)
    await sleep(forMs)
    await this.hosts.in('core', ['nft', 'delete table ip outage'])
  }

  /** Delays and loses a site's packets from now on, in both directions. */
  async impair(
    site: string,
    { delayMs = DEFAULT_DELAY_MS, jitterMs = 0, lossPercent = 0, rateKbit = 0 }: Impairment,
  ): Promise<void> {
    const impairer = this.#impairer ?? this.#startImpairer()
    this.#impairer = impairer
    const spec = `delay=${delayMs},jitter=${jitterMs},loss=${lossPercent},rate=${rateKbit}`
    const known = this.#queues.get(site)
    const first = known ?? FIRST_QUEUE + 2 * this.#queues.size
    this.#queues.set(site, first)
    for (const queue of [first, first + 1]) {
      const applied = new Promise<number>((resolve) => this.#impaired.push(resolve))
      impairer.write(`${queue} ${spec}`)
      const failed = impairer.ended.then(() => Promise.reject(new Error(`impairments ended: ${impairer.stderr}`)))
      await Promise.race([applied, failed])
    }
    if (known !== undefined) return
    const rule = (chain: string, option: string, queue: number) =>
      `iptables-nft -t mangle -A ${chain} ${option} ${site} -j NFQUEUE --queue-num ${queue} --queue-bypass`
    await this.hosts.in('core', [
      'sh',
      '-ec',
      `${rule('PREROUTING', '-i', first)}\n${rule('POSTROUTING', '-o', first + 1)}`,
    ])
  }

  #startImpairer(): Program {
    const impairer = this.hosts.spawn('core', ['python3', script('impairments.py')])
    impairer.onLine((line) => this.#impaired.shift()?.(Number(line.split(' ')[1])))
    return impairer
  }

  get #roaming(): string {
    return this.#options.roaming ?? 'a'
  }

  #router(name: Router): RouterState {
    const state = this.#routers.get(name)
    if (state === undefined) throw new TypeError(`this laboratory has no router ${name}`)
    return state
  }

  async #applyRules(router: Router): Promise<void> {
    const { kind, address } = this.#router(router)
    await this.hosts.in(
      router,
      ['nft', '-f', '-'],
      natRules(kind, address, this.#lifetimeSeconds, this.#options.hairpin),
    )
  }

  async #applyLifetime(router: Router): Promise<void> {
    await this.hosts.sysctl(router, {
      'netfilter/nf_conntrack_udp_timeout': this.#lifetimeSeconds,
      'netfilter/nf_conntrack_udp_timeout_stream': this.#lifetimeSeconds,
    })
  }

  async #build(): Promise<void> {
    const { hosts } = this
    const plans = this.#plans
    const cellular = this.#options.cellular
    const links = [link('core', 'srv', 'srv', 'eth0')]
    for (const { site, kinds } of plans) {
      const [r, x, c] = [`r${site}`, `x${site}`, `c${site}`] as const
      if (kinds[1] === undefined) links.push(link('core', site, r, 'wan'))
      else links.push(link('core', site, x, 'wan'), link(x, 'lan', r, 'wan'))
      links.push(link(r, 'l1', c, 'eth0'))
    }
    if (cellular !== undefined)
      links.push(link('core', CELLULAR, 'rc', 'wan'), link('rc', 'lan', `c${this.#roaming}`, 'cell0'))
    for (const from of new Set(links.map((link) => link.from))) {
      const lines = links
        .filter((link) => link.from === from)
        .map(
          ({ device, to, peerDevice }) =>
            `link add name ${device} type veth peer name ${peerDevice} netns ${hosts.namespace(to)}`,
        )
      await hosts.configure(from, lines)
    }
    await Promise.all([this.#buildCore(), ...plans.map((plan) => this.#buildSite(plan)), this.#buildCellular()])
    await Promise.all([...this.#routers.keys()].map((router) => this.#startRouter(router)))
    const impairment = this.#options.impairment ?? {}
    const sites = plans.map(({ site }) => site)
    for (const site of cellular === undefined ? sites : [...sites, CELLULAR]) await this.impair(site, impairment)
  }

  async #startRouter(router: Router): Promise<void> {
    // On by default, br_netfilter would run the rules at the bridge too.
    await this.hosts.in(router, ['sh', '-c', 'echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables || true'])
    await this.hosts.sysctl(router, { 'ipv4/ip_forward': 1 })
    await this.#applyLifetime(router)
    await this.#applyRules(router)
  }

  async #buildCore(): Promise<void> {
    await this.hosts.configure('core', [
      'link set dev lo up',
      'link set dev srv up',
      'addr add 203.0.113.254/24 dev srv',
      ...this.#plans.flatMap(({ site, wan }) => [
        `link set dev ${site} up`,
        `addr add ${wan}.126/25 dev ${site}`,
        `route add ${wan}.128/25 via ${wan}.10`,
      ]),
      ...(this.#options.cellular === undefined
        ? []
        : [`link set dev ${CELLULAR} up`, `addr add 198.51.100.254/24 dev ${CELLULAR}`]),
    ])
    await this.hosts.sysctl('core', { 'ipv4/ip_forward': 1 })
    await this.hosts.configure('srv', [
      'link set dev lo up',
      'link set dev eth0 up',
      ...SERVERS.map((address) => `addr add ${address}/24 dev eth0`),
      'route add default via 203.0.113.254',
    ])
  }

  async #buildSite({ site, kinds, wan, lan, carrierNet }: SitePlan): Promise<void> {
    const [home, carrier] = kinds
    const [r, x, c] = [`r${site}`, `x${site}`, `c${site}`] as const
    let uplink: RouterState = { kind: home, address: `${wan}.10`, prefixLength: 25, gateway: `${wan}.126` }
    if (carrier !== undefined) {
      this.#routers.set(x, { ...uplink, kind: carrier })
      await this.hosts.configure(x, [
        ...wanLines({ ...uplink, kind: carrier }),
        'link set dev lan up',
        `addr add ${carrierNet}.1/24 dev lan`,
      ])
      uplink = { kind: home, address: `${carrierNet}.10`, prefixLength: 24, gateway: `${carrierNet}.1` }
    }
    this.#routers.set(r, uplink)
    // Without translation the clients are in the upper half of the site's public network.
    const inside = isUntranslated(home)
      ? { router: `${wan}.129`, client: `${wan}.200`, prefix: 25 }
      : { router: `${lan}.1`, client: `${lan}.100`, prefix: 24 }
    await this.hosts.configure(r, [
      ...wanLines(uplink),
      'link add lan type bridge',
      'link set dev l1 master lan up',
      'link set dev lan up',
      `addr add ${inside.router}/${inside.prefix} dev lan`,
    ])
    await this.hosts.configure(c, [
      'link set dev lo up',
      'link set dev eth0 up',
      `addr add ${inside.client}/${inside.prefix} dev eth0`,
      `route add default via ${inside.router} metric 100`,
    ])
  }

  async #buildCellular(): Promise<void> {
    const kind = this.#options.cellular
    if (kind === undefined) return
    const state: RouterState = { kind, address: '198.51.100.10', prefixLength: 24, gateway: '198.51.100.254' }
    this.#routers.set('rc', state)
    await this.hosts.configure('rc', [...wanLines(state), 'link set dev lan up', 'addr add 10.20.0.1/24 dev lan'])
  }
}

function wanLines({ kind, address, prefixLength, gateway }: RouterState): readonly string[] {
  const pool = kind === 'sympool' ? POOL_HOSTS.map((host) => address.replace(/\d+$/, String(host))) : []
  return [
    'link set dev lo up',
    'link set dev wan up',
    ...[address, ...pool].map((one) => `addr add ${one}/${prefixLength} dev wan`),
    `route add default via ${gateway}`,
  ]
}

function sitePlan([site, kind]: [string, SiteKind], index: number): SitePlan {
  const number = index + 1
  return {
    site,
    kinds: siteKinds(kind),
    wan: `198.18.${number}`,
    lan: `192.168.${number}`,
    carrierNet: `100.64.${number}`,
  }
}

function siteKinds(site: SiteKind): SitePlan['kinds'] {
  const [home = '', carrier] = site.split('/')
  return carrier === undefined ? [kindOf(home)] : [kindOf(home), kindOf(carrier)]
}

const link = (from: string, device: string, to: string, peerDevice: string) => ({ from, device, to, peerDevice })
