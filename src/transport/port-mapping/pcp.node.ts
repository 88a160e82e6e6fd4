import type { Gateway } from './gateway.node.js'
import {
  encodePcpAnnounce,
  encodePcpMap,
  type PcpAnswer,
  pcpResultText,
  readPcpAnnounce,
  readPcpMap,
} from './pcp-message.js'
import { type Epoch, hasRunOn, type Lease, LIFETIME_SECONDS, type MappingProtocol, NoMapping } from './protocol.js'

/** RFC 6887 section 8.5. */
const DRIFT = 16

/** Port mapping by the Port Control Protocol (RFC 6887). */
export class Pcp implements MappingProtocol {
  readonly name = 'pcp'
  readonly #gateway: Gateway
  readonly #internalPort: number
  readonly #nonce: Uint8Array
  #epoch: Epoch | undefined

  /** @param nonce 12 random bytes, which whoever is to change the mapping later has to know. */
  constructor(gateway: Gateway, internalPort: number, nonce: Uint8Array) {
    this.#gateway = gateway
    this.#internalPort = internalPort
    this.#nonce = nonce
  }

  async map(suggestedPort: number, signal: AbortSignal): Promise<Lease> {
    const { external, lifetimeSeconds, epochSeconds } = await this.#ask(suggestedPort, LIFETIME_SECONDS, signal)
    if (external === undefined || external.port === 0 || lifetimeSeconds === 0)
      throw new NoMapping('nothing was forwarded')
    this.#epoch = { serverSeconds: epochSeconds, clientMs: this.#gateway.clock.now() }
    return { external, lifetimeSeconds }
  }

  async check(signal: AbortSignal): Promise<boolean> {
    const { epochSeconds } = succeeded(await this.#gateway.ask(encodePcpAnnounce, readPcpAnnounce, signal))
    const now = { serverSeconds: epochSeconds, clientMs: this.#gateway.clock.now() }
    const isSame = this.#epoch !== undefined && hasRunOn(this.#epoch, now, DRIFT)
    this.#epoch = now
    return isSame
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
    return succeeded(await this.#gateway.ask((clientHost) => encodePcpMap({ ...request, clientHost }), read, signal))
  }
}

function succeeded(answer: PcpAnswer): PcpAnswer {
  if (answer.result !== 0) throw new NoMapping(pcpResultText(answer.result))
  return answer
}
