import type { Gateway } from './gateway.node.js'
import { encodePcpMap, type PcpAnswer, pcpResultText, readPcpMap } from './pcp-message.js'
import { type Lease, LIFETIME_SECONDS, type MappingProtocol, NoMapping } from './protocol.js'

/** Port mapping by the Port Control Protocol (RFC 6887). */
export class Pcp implements MappingProtocol {
  readonly name = 'pcp'
  readonly #gateway: Gateway
  readonly #internalPort: number
  readonly #nonce: Uint8Array

  /** @param nonce 12 random bytes, which whoever is to change the mapping later has to know. */
  constructor(gateway: Gateway, internalPort: number, nonce: Uint8Array) {
    this.#gateway = gateway
    this.#internalPort = internalPort
    this.#nonce = nonce
  }

  async map(suggestedPort: number, signal: AbortSignal): Promise<Lease> {
    const { external, lifetimeSeconds } = await this.#ask(suggestedPort, LIFETIME_SECONDS, signal)
    if (external === undefined || external.port === 0 || lifetimeSeconds === 0)
      throw new NoMapping('nothing was forwarded')
    return { external, lifetimeSeconds }
  }

  async unmap(signal: AbortSignal): Promise<void> {
    await this.#ask(0, 0, signal)
  }

  async #ask(suggestedPort: number, lifetimeSeconds: number, signal: AbortSignal): Promise<PcpAnswer> {
    const request = {
      nonce: this.#nonce,
      internalPort: this.#internalPort,
      suggestedPort,
      lifetimeSeconds,
    }
    const read = (packet: Uint8Array) => readPcpMap(packet, request)
    const answer = await this.#gateway.ask((clientHost) => encodePcpMap({ ...request, clientHost }), read, signal)
    if (answer.result !== 0) throw new NoMapping(pcpResultText(answer.result))
    return answer
  }
}
