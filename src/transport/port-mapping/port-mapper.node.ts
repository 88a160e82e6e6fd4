import { DropCounts } from '../drops.js'
import { isNeighbour } from '../interfaces.node.js'
import { isPrivateIpv4, isPublicIpv4 } from '../ipv4-scope.js'
import type { PortMapping, PortMappingStats, TransportAddress } from '../transport.js'
import { defaultGateway } from './default-gateway.node.js'
import { Gateway, type MappingClock } from './gateway.node.js'
import { NatPmp } from './nat-pmp.node.js'
import { Pcp } from './pcp.node.js'
import { NONCE_BYTES } from './pcp-message.js'
import { type Lease, LIFETIME_SECONDS, type MappingProtocol, NoMapping } from './protocol.js'
import type { UpnpOptions } from './upnp/upnp.node.js'

/**
 * How often the router is asked to forward still: it forgets its mappings when it is restarted. Its clock, which PCP and NAT-PMP tell, does not
 * show that where the router had only just begun, for clocks may drift (RFC 6887 section 8.5, RFC 6886 section 3.6).
 */
const CHECK_MS = 60_000
/** A router that says that it forgets sooner is asked no more often than this. */
const MIN_RENEWAL_MS = 30_000
/** When another try is made: soon where there was a router that forwarded, for it may be restarting. */
const RETRY_MS = { lost: { first: 5000, most: 60_000 }, never: { first: 60_000, most: 1_800_000 } }
/** In how many networks of this machine gateways are searched. */
const MAX_SEARCHED = 4
/** How long closing waits for the router that forwards, and for one that has been asked to and has not answered yet. */
const CLOSE_MS = { held: 1000, asked: 100 }

/** What a port mapper is made of; tests put another router in place of the network's. */
export interface PortMapperOptions {
  readonly clock: MappingClock
  /** Must be cryptographically secure. */
  readonly randomBytes: (length: number) => Uint8Array
  /** Told what becomes of it, a sentence at a time. @default nobody is */
  readonly log?: (message: string) => void
  /** The router's address; `undefined` where it is not known. @default the system's default route */
  readonly findGateway?: () => string | undefined
  /** The router's port for PCP and NAT-PMP. @default 5351 */
  readonly gatewayPort?: number
  /** Where gateways of UPnP are searched. @default the group of SSDP */
  readonly ssdp?: { readonly host: string; readonly port: number }
  /** From which addresses of this machine a router may be asked. @default private ones */
  readonly mayAskFrom?: (host: string) => boolean
}

interface Held {
  readonly protocol: MappingProtocol
  readonly lease: Lease
}

/**
 * Has the router of this network forward a port to the main socket for as long as the peer lives: asks by PCP, else by NAT-PMP, else by UPnP,
 * renews what was given at half of its time, and gives it back at the end.
 */
export class PortMapper implements PortMapping {
  readonly #options: PortMapperOptions
  readonly #drops = new DropCounts()
  readonly #nonce: Uint8Array
  #mapped: ((addresses: readonly TransportAddress[]) => void) | undefined
  #hosts: readonly string[] = []
  #port = 0
  #suggestedPort = 0
  #work: AbortController | undefined
  #held: Held | undefined
  /** What is being asked now: the router may do it, whether or not its answer is waited for. */
  #asking: MappingProtocol | undefined
  #failure: string | undefined
  #counts = { requests: 0, obtained: 0, lost: 0 }
  #closed: Promise<void> | undefined

  constructor(options: PortMapperOptions) {
    this.#options = options
    this.#nonce = options.randomBytes(NONCE_BYTES)
  }

  get stats(): PortMappingStats {
    const { protocol, lease } = this.#held ?? {}
    return {
      protocol: protocol?.name,
      external: lease?.external,
      failure: this.#failure,
      ...this.#counts,
      drops: this.#drops.counts,
    }
  }

  start(mapped: (addresses: readonly TransportAddress[]) => void): void {
    this.#mapped = mapped
  }

  update(addresses: readonly TransportAddress[]): void {
    if (this.#closed !== undefined) return
    this.#work?.abort()
    this.#tell(undefined)
    const { mayAskFrom = isPrivateIpv4 } = this.#options
    const usable = addresses.filter(({ host }) => mayAskFrom(host))
    this.#hosts = usable.map(({ host }) => host)
    this.#port = usable[0]?.port ?? 0
    this.#suggestedPort ||= this.#port
    if (usable.length === 0) return this.#fail('this machine has no private IPv4 address')
    this.#work = new AbortController()
    void this.#run(this.#work.signal)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#work?.abort()
    this.#mapped = undefined
    const [held, asking] = [this.#held, this.#asking]
    this.#held = undefined
    const protocol = held?.protocol ?? asking
    if (protocol === undefined) return
    const limit = new AbortController()
    const waitMs = held === undefined ? CLOSE_MS.asked : CLOSE_MS.held
    const timer = this.#options.clock.setTimeout(() => limit.abort(), waitMs)
    // A router that does not answer forgets by itself, when the time that it gave is over.
    await protocol.unmap(limit.signal).catch(() => {})
    this.#options.clock.clearTimeout(timer)
  }

  /** Looks for a router and keeps what it forwards, until the signal fires. */
  async #run(signal: AbortSignal): Promise<void> {
    let [retry, delayMs] = [RETRY_MS.never, RETRY_MS.never.first]
    try {
      for (;;) {
        const held = await this.#obtain(signal)
        signal.throwIfAborted()
        if (held !== undefined) {
          await this.#keep(held, signal)
          this.#counts.lost += 1
          this.#tell(undefined)
          retry = RETRY_MS.lost
          delayMs = retry.first
        }
        await this.#sleep(delayMs, signal)
        delayMs = Math.min(delayMs * 2, retry.most)
      }
    } catch (thrown) {
      // What is no end of the work is a fault of this library: the peer goes on without a mapping.
      if (!signal.aborted) this.#fail(String(thrown))
    }
  }

  async #obtain(signal: AbortSignal): Promise<Held | undefined> {
    const reasons: string[] = []
    for await (const protocol of this.#protocols()) {
      this.#asking = protocol
      try {
        return { protocol, lease: await protocol.map(this.#suggestedPort, signal) }
      } catch (thrown) {
        if (!(thrown instanceof NoMapping)) throw thrown
        reasons.push(`${protocol.name}: ${thrown.message}`)
      }
    }
    this.#asking = undefined
    this.#fail(reasons.join('; '))
    return undefined
  }

  /** Ends when the router does not forward any more. */
  async #keep({ protocol, lease: first }: Held, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    let lease = first
    for (;;) {
      this.#obtained({ protocol, lease })
      const halfMs = (Math.min(lease.lifetimeSeconds, LIFETIME_SECONDS) * 1000) / 2
      const renewMs = clock.now() + Math.max(halfMs, MIN_RENEWAL_MS)
      try {
        do await this.#sleep(Math.min(CHECK_MS, Math.max(renewMs - clock.now(), 0)), signal)
        while (clock.now() < renewMs && (await protocol.check?.(signal)))
        lease = await protocol.map(this.#suggestedPort, signal)
      } catch (thrown) {
        if (!(thrown instanceof NoMapping)) throw thrown
        return this.#fail(`${protocol.name}: ${thrown.message}`)
      }
    }
  }

  /** The ways of asking, the best first. */
  async *#protocols(): AsyncGenerator<MappingProtocol> {
    const host = (this.#options.findGateway ?? defaultGateway)()
    yield* this.#askedDirectly(host)
    // Loaded only where it comes to that: it brings HTTP and a parser of XML.
    const { Upnp } = await import('./upnp/upnp.node.js')
    yield new Upnp(this.#upnpOptions(host))
  }

  /** By PCP and NAT-PMP, where it is known whom to ask. */
  #askedDirectly(host: string | undefined): MappingProtocol[] {
    const { clock, gatewayPort } = this.#options
    if (host === undefined) return []
    const gateway = new Gateway({
      host,
      ...(gatewayPort !== undefined && { port: gatewayPort }),
      clock,
      mayAskFrom: (localHost) => this.#hosts.includes(localHost),
      sent: () => this.#sent(),
      dropped: (cause) => this.#drops.add(cause),
    })
    return [new Pcp(gateway, this.#port, this.#nonce), new NatPmp(gateway, this.#port)]
  }

  #upnpOptions(gateway: string | undefined): UpnpOptions {
    const { clock, randomBytes, ssdp } = this.#options
    return {
      localHosts: this.#hosts.slice(0, MAX_SEARCHED),
      internalPort: this.#port,
      clock,
      randomBytes,
      mayAnswer: gateway === undefined ? isNeighbour : (host) => host === gateway,
      sent: () => this.#sent(),
      dropped: (cause) => this.#drops.add(cause),
      ...(ssdp && { group: ssdp }),
    }
  }

  #sent(): void {
    this.#counts.requests += 1
  }

  #obtained(held: Held): void {
    const { host, port } = held.lease.external
    const before = this.#held?.lease.external
    if (before?.host === host && before.port === port) {
      this.#held = held
      return
    }
    this.#counts.obtained += 1
    this.#suggestedPort = port
    this.#failure = undefined
    this.#tell(held)
    this.#options.log?.(`${host} port ${port} leads here (${held.protocol.name})`)
    if (isPublicIpv4(host)) return
    this.#drops.add('private-external')
    this.#fail(`${held.protocol.name}: the router has itself no public address, but ${host}`)
  }

  /** What is behind another NAT is kept, and told to nobody: it leads nowhere. */
  #tell(held: Held | undefined): void {
    const before = this.#held
    this.#held = held
    if (before === undefined && held === undefined) return
    const external = held?.lease.external
    this.#mapped?.(external !== undefined && isPublicIpv4(external.host) ? [external] : [])
  }

  #fail(reason: string): void {
    if (this.#failure === reason) return
    this.#failure = reason
    this.#options.log?.(`no port mapping: ${reason}`)
  }

  #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => () => {
        clock.clearTimeout(timer)
        signal.removeEventListener('abort', aborted)
        settle()
      }
      const aborted = done(() => reject(signal.reason))
      const timer = clock.setTimeout(done(resolve), delayMs)
      signal.addEventListener('abort', aborted, { once: true })
    })
  }
}
