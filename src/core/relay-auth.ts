import { createError } from '../errors/index.js'
import type { CoreGlue } from './glue.js'
import { type CoreProgram, compileCore } from './load.js'

/** The free functions that only the core for Node has, for the embedded relay. */
export interface RelayGlue extends CoreGlue {
  readonly relay_verify_client_auth: (challenge: Uint8Array, message: Uint8Array) => Uint8Array
  readonly relay_claimed_key: (authentication: Uint8Array) => Uint8Array
  readonly relay_verify_key_material: (authentication: Uint8Array, material: Uint8Array) => Uint8Array
  readonly relay_verify_signed_packet: (id: Uint8Array, payload: Uint8Array) => number
  readonly relay_parse_id: (text: string, zBase32: boolean) => Uint8Array
}

/** Why something is not verified. */
export type Unverified = 'malformed' | 'signature' | 'other-connection'

const unverified: readonly (Unverified | undefined)[] = [undefined, 'malformed', 'signature', 'other-connection']

/** The core's verification of what strangers send to a relay, in an instance that holds no peer. */
export class RelayAuth {
  readonly #glue: RelayGlue

  private constructor(glue: RelayGlue) {
    this.#glue = glue
  }

  /** @throws AnypathError `InternalError` when the core can't be instantiated. */
  static async load(program: CoreProgram): Promise<RelayAuth> {
    const module = await compileCore(program)
    const glue = program.createGlue() as RelayGlue
    try {
      glue.initSync({ module })
    } catch (cause) {
      throw createError('InternalError', `the core can't be started: ${String(cause)}`, { cause })
    }
    return new RelayAuth(glue)
  }

  /** The 32-byte key of the client whose message answers the challenge. */
  verifyClientAuth(challenge: Uint8Array, message: Uint8Array): Uint8Array | Unverified {
    return verdict(this.#glue.relay_verify_client_auth(challenge, message))
  }

  /** The key that an authentication by keying material claims, not proven. */
  claimedKey(authentication: Uint8Array): Uint8Array | Unverified {
    return verdict(this.#glue.relay_claimed_key(authentication))
  }

  /** The key of the client that has signed 32 bytes of keying material. */
  verifyKeyMaterial(authentication: Uint8Array, material: Uint8Array): Uint8Array | Unverified {
    return verdict(this.#glue.relay_verify_key_material(authentication, material))
  }

  /** The time of a signed packet in microseconds since 1970. */
  verifySignedPacket(key: Uint8Array, payload: Uint8Array): number | Unverified {
    const found = this.#glue.relay_verify_signed_packet(key, payload)
    return found >= 0 ? found : (unverified[-found] ?? 'malformed')
  }

  /** The key in hexadecimal or base32; undefined when it is neither. */
  parseId(text: string): Uint8Array | undefined {
    const id = this.#glue.relay_parse_id(text, false)
    return id.length === 0 ? undefined : id
  }

  /** The key in z-base-32, as pkarr has it; undefined when it is not. */
  parseZBase32(text: string): Uint8Array | undefined {
    const id = this.#glue.relay_parse_id(text, true)
    return id.length === 0 ? undefined : id
  }
}

function verdict(answer: Uint8Array): Uint8Array | Unverified {
  return answer[0] === 0 ? answer.subarray(1) : (unverified[answer[0] ?? 1] ?? 'malformed')
}
