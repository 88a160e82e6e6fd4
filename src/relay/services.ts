import { readFile } from 'node:fs/promises'
import { InvalidConfigError } from '../errors/index.js'
import { type AddressDiscoveryServer, startAddressDiscovery } from './address-discovery.js'
import { certifiedKeyFromPem } from './certificate.js'
import type { ResolvedRelayOptions } from './options.js'
import { type StunServer, startStun } from './stun.js'

/** What a relay tells strangers over UDP: their own address. */
export class Services {
  /** The UDP port of the STUN server, where there is one. */
  readonly stunPort: number | undefined
  /** The UDP port of the address-discovery service, where there is one. */
  readonly qadPort: number | undefined
  readonly #servers: readonly (StunServer | AddressDiscoveryServer)[]

  private constructor(stun: StunServer | undefined, discovery: AddressDiscoveryServer | undefined) {
    this.stunPort = stun?.port
    this.qadPort = discovery?.port
    this.#servers = [stun, discovery].filter((server) => server !== undefined)
  }

  /**
   * Opens what was asked for.
   *
   * @throws InvalidConfigError when the certificate can't be used, AddressInUseError when a port is taken, TransportFailedError when it
   *   can't be opened otherwise; nothing stays open then.
   */
  static async open({ host, stunPort, qadPort, qad }: ResolvedRelayOptions): Promise<Services> {
    const stun = stunPort === undefined ? undefined : await startStun({ host, port: stunPort })
    try {
      if (qadPort === undefined || qad === undefined) return new Services(stun, undefined)
      const certificate = certifiedKeyFromPem(await read(qad.certFile), await read(qad.keyFile))
      return new Services(stun, await startAddressDiscovery({ host, port: qadPort, ...certificate }))
    } catch (error) {
      await stun?.close()
      throw error
    }
  }

  /** Releases the sockets. Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new InvalidConfigError(`${file} can't be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}
