import type { Gateway } from './gateway.node.js'
import {
  encodeNatPmpAddress,
  encodeNatPmpMap,
  type NatPmpAddress,
  type NatPmpMapping,
  natPmpResultText,
  readNatPmpAddress,
  readNatPmpMap,
} from './nat-pmp-message.js'
import { type Lease, LIFETIME_SECONDS, type MappingProtocol, NoMapping } from './protocol.js'

/** Port mapping by the NAT Port Mapping Protocol (RFC 6886). */
export class NatPmp implements MappingProtocol {
  readonly name = 'nat-pmp'
  readonly #gateway: Gateway
  readonly #internalPort: number

  constructor(gateway: Gateway, internalPort: number) {
    this.#gateway = gateway
    this.#internalPort = internalPort
  }

  async map(suggestedPort: number, signal: AbortSignal): Promise<Lease> {
    const { host } = await this.#address(signal)
    const { externalPort, lifetimeSeconds } = await this.#ask(suggestedPort, LIFETIME_SECONDS, signal)
    if (externalPort === 0 || lifetimeSeconds === 0) throw new NoMapping('nothing was forwarded')
    return { external: { host, port: externalPort }, lifetimeSeconds }
  }

  async unmap(signal: AbortSignal): Promise<void> {
    await this.#ask(0, 0, signal)
  }

  async #address(signal: AbortSignal): Promise<NatPmpAddress> {
    return succeeded(await this.#gateway.ask(encodeNatPmpAddress, readNatPmpAddress, signal))
  }

  async #ask(suggestedPort: number, lifetimeSeconds: number, signal: AbortSignal): Promise<NatPmpMapping> {
    const request = encodeNatPmpMap(this.#internalPort, suggestedPort, lifetimeSeconds)
    const read = (packet: Uint8Array) => readNatPmpMap(packet, this.#internalPort)
    return succeeded(await this.#gateway.ask(() => request, read, signal))
  }
}

function succeeded<Answer extends { readonly result: number }>(answer: Answer): Answer {
  if (answer.result !== 0) throw new NoMapping(natPmpResultText(answer.result))
  return answer
}
