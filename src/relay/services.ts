import { readFile } from 'node:fs/promises'
import { InvalidConfigError } from '../errors/index.js'
import { QAD_PORT_HEADER, STUN_PORT_HEADER } from '../transport/relay-services.js'
import { type AddressDiscoveryServer, startAddressDiscovery } from './address-discovery.js'
import { type CertifiedKey, certifiedKeyFromPem } from './certificate.js'
import type { MutableMetrics } from './metrics.js'
import type { ResolvedRelayOptions } from './options.js'
import { type StunServer, startStun } from './stun.js'

/** What a relay serves on UDP beside its TCP port: STUN, and QUIC Address Discovery, on one port when both are given the same. */
export class Services {
  readonly #options: ResolvedRelayOptions
  readonly #metrics: MutableMetrics
  #stun: StunServer | undefined
  #discovery: AddressDiscoveryServer | undefined
  /** Counts of services that a new certificate has replaced. */
  readonly #earlier = { stunAnswered: 0, stunLimited: 0, discoveries: 0 }

  private constructor(options: ResolvedRelayOptions, metrics: MutableMetrics) {
    this.#options = options
    this.#metrics = metrics
  }

  /** @throws InvalidConfigError for a certificate that can't be used, AddressInUseError and TransportFailedError as the system says. */
  static async open(options: ResolvedRelayOptions, metrics: MutableMetrics): Promise<Services> {
    const services = new Services(options, metrics)
    const { host, stunPort, stunOtherPort, qadPort } = options
    try {
      if (qadPort !== undefined) await services.#openDiscovery(await readCertifiedKey(options))
      if (stunPort !== undefined && !sharesPort(options)) {
        const other = stunOtherPort === undefined ? {} : { otherPort: stunOtherPort }
        services.#stun = await startStun({ host, port: stunPort, ...other })
      }
    } catch (error) {
      await services.close()
      throw error
    }
    return services
  }

  get stunPort(): number | undefined {
    return this.#stun?.port ?? (this.#options.stunPort === undefined ? undefined : this.#discovery?.port)
  }

  get stunOtherPort(): number | undefined {
    return this.#stun?.otherPort
  }

  /** What clients are told beside the relay's WebSocket: at which UDP ports of its address the services are. */
  get headers(): Readonly<Record<string, string>> {
    const { stunPort, stunOtherPort, qadPort } = this
    const stunPorts = [stunPort, stunOtherPort].filter((port) => port !== undefined)
    return {
      ...(stunPorts.length === 0 ? {} : { [STUN_PORT_HEADER]: stunPorts.join(', ') }),
      ...(qadPort === undefined ? {} : { [QAD_PORT_HEADER]: String(qadPort) }),
    }
  }

  get qadPort(): number | undefined {
    return this.#discovery?.port
  }

  /** Serves with the certificate as the files have it now; clients come back by themselves. @throws InvalidConfigError */
  async reload(): Promise<void> {
    const discovery = this.#discovery
    if (discovery === undefined) return
    const certified = await readCertifiedKey(this.#options)
    const { served, stunAnswered, stunLimited } = await discovery.counts()
    this.#earlier.discoveries += served
    this.#earlier.stunAnswered += stunAnswered
    this.#earlier.stunLimited += stunLimited
    await discovery.close()
    await this.#openDiscovery(certified, discovery.port)
  }

  /** Brings the counts into the relay's metrics. */
  async count(): Promise<void> {
    const stun = await this.#stun?.counts()
    const discovery = await this.#discovery?.counts()
    const { stunAnswered, stunLimited, discoveries } = this.#earlier
    this.#metrics.stunAnswered = stunAnswered + (stun?.answered ?? 0) + (discovery?.stunAnswered ?? 0)
    this.#metrics.stunLimited = stunLimited + (stun?.limited ?? 0) + (discovery?.stunLimited ?? 0)
    this.#metrics.discoveries = discoveries + (discovery?.served ?? 0)
    this.#metrics.discoveryClients = discovery?.clients ?? 0
  }

  async close(): Promise<void> {
    await Promise.all([this.#stun?.close(), this.#discovery?.close()])
  }

  async #openDiscovery(certified: CertifiedKey, port = this.#options.qadPort): Promise<void> {
    const { host } = this.#options
    const shared = { host, ...certified, ...(port === undefined ? {} : { port }) }
    this.#discovery = await startAddressDiscovery({ ...shared, stun: sharesPort(this.#options) })
  }
}

/** Two ports that the system chooses are two. */
function sharesPort({ stunPort, qadPort }: ResolvedRelayOptions): boolean {
  return stunPort !== undefined && stunPort !== 0 && stunPort === qadPort
}

async function readCertifiedKey({ qad }: ResolvedRelayOptions): Promise<CertifiedKey> {
  if (qad === undefined) throw new InvalidConfigError('qadPort: needs a certificate')
  return certifiedKeyFromPem(await read(qad.certFile), await read(qad.keyFile))
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new InvalidConfigError(`${file} can't be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}
