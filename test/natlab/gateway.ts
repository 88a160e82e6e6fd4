/** A router that forwards ports when it is asked to: the real `miniupnpd` beside a laboratory's NAT. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Program } from './hosts.js'
import type { Laboratory } from './laboratory.js'

/**
 * The router's further external address: the daemon does not forward from one that is reserved for documentation, as the laboratory's others
 * are. The laboratory alone routes it.
 */
export const FORWARDED_FROM = '198.52.100.10'

/** What clients may ask by. */
export type Protocol = 'pcp' | 'nat-pmp' | 'upnp'

const TABLE = 'forwarded'
const HTTP_PORT = 5000
const SSDP_PORT = 1900
const CONTROL_PORT = 5351

const CHAINS = `table inet ${TABLE}
delete table inet ${TABLE}
table inet ${TABLE} {
  chain allowed {}
  chain to {}
  chain from {}
  chain forward { type filter hook forward priority filter - 1; policy accept; jump allowed; }
  chain prerouting { type nat hook prerouting priority dstnat - 1; policy accept; jump to; }
  chain postrouting { type nat hook postrouting priority srcnat - 1; policy accept; jump from; }
}
`

/** The NAT lets in what was forwarded, and hears its own network; the first byte tells PCP (2) from NAT-PMP (0). */
const allowed = (protocols: readonly Protocol[]): string => `
insert rule ip lab forward iifname "wan" ct status dnat accept
insert rule ip lab input iifname "lan" udp dport { ${SSDP_PORT}, ${CONTROL_PORT} } accept
${protocols.includes('pcp') ? '' : `insert rule ip lab input udp dport ${CONTROL_PORT} @th,64,8 2 drop`}
${protocols.includes('nat-pmp') ? '' : `insert rule ip lab input udp dport ${CONTROL_PORT} @th,64,8 0 drop`}
${protocols.includes('upnp') ? '' : `insert rule ip lab input udp dport ${SSDP_PORT} drop`}
`

const configuration = (lanAddress: string, leaseFile: string): string => `
ext_ifname=wan
ext_ip=${FORWARDED_FROM}
listening_ip=${lanAddress}/24
http_port=${HTTP_PORT}
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
lease_file=${leaseFile}
upnp_table_name=${TABLE}
upnp_nat_table_name=${TABLE}
upnp_forward_chain=allowed
upnp_nat_chain=to
upnp_nat_postrouting_chain=from
uuid=00000000-0000-4000-8000-000000000001
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`

/** Why there can be no such router here, or `false`. */
export function gatewayMissing(): string | false {
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` }
  const found = spawnSync('sh', ['-c', 'command -v miniupnpd'], { env }).status === 0
  return found ? false : 'missing: miniupnpd; apt-get install miniupnpd-nftables'
}

/** `miniupnpd` on the router of site A. */
export class LabGateway {
  readonly #laboratory: Laboratory
  readonly #folder: string
  readonly #igdVersion: 1 | 2
  #daemon: Program | undefined

  private constructor(laboratory: Laboratory, folder: string, igdVersion: 1 | 2) {
    this.#igdVersion = igdVersion
    this.#laboratory = laboratory
    this.#folder = folder
  }

  /** @param igdVersion the version that UPnP's clients are told of */
  static async start(
    laboratory: Laboratory,
    protocols: readonly Protocol[],
    igdVersion: 1 | 2 = 2,
  ): Promise<LabGateway> {
    const folder = await mkdtemp(join(tmpdir(), 'anypath-gateway-'))
    const gateway = new LabGateway(laboratory, folder, igdVersion)
    const { hosts } = laboratory
    await hosts.configure('ra', [`addr add ${FORWARDED_FROM}/32 dev wan`])
    await hosts.configure('core', [`route add ${FORWARDED_FROM}/32 dev a`])
    await hosts.in('ra', ['nft', '-f', '-'], allowed(protocols))
    await writeFile(join(folder, 'conf'), configuration('192.168.1.1', join(folder, 'leases')))
    await gateway.#run()
    return gateway
  }

  /** The ports that are forwarded now, as nftables has them. */
  async forwarded(): Promise<string[]> {
    const rules = await this.#laboratory.hosts.in('ra', ['nft', 'list', 'chain', 'inet', TABLE, 'to'])
    return rules.split('\n').filter((line) => line.includes('dnat'))
  }

  /** Forgets everything, as a power cycle does. */
  async restart(): Promise<void> {
    this.#daemon?.kill()
    await this.#daemon?.ended
    await rm(join(this.#folder, 'leases'), { force: true })
    await this.#run()
  }

  async end(): Promise<void> {
    this.#daemon?.kill()
    await this.#daemon?.ended
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #run(): Promise<void> {
    const { hosts } = this.#laboratory
    await hosts.in('ra', ['nft', '-f', '-'], CHAINS)
    const file = (name: string) => join(this.#folder, name)
    const daemon = hosts.spawn('ra', [
      'miniupnpd',
      '-d',
      ...(this.#igdVersion === 1 ? ['-1'] : []),
      '-f',
      file('conf'),
      '-P',
      file('pid'),
    ])
    this.#daemon = daemon
    let how: number | string | undefined
    void daemon.ended.then((code) => {
      how = code
    })
    while (!daemon.stderr.includes('Listening for NAT-PMP/PCP traffic')) {
      if (how !== undefined) throw new Error(`miniupnpd ended: ${how} ${daemon.stderr}`)
      await sleep(20)
    }
  }
}
