import type { TicketAddress } from '../discovery/address.js'
import type { TicketParts } from '../driver/engine.js'
import { idToText } from './identity.js'

/**
 * What a peer needs to be dialled: its id, and addresses where it may be. Share it as text.
 *
 * The text is that of an iroh endpoint ticket, with a flag that marks anypath peers.
 */
export class Ticket {
  /** The peer's public key, 64 lower-case hexadecimal digits. */
  readonly id: string
  /** Where the peer may be reached. Kinds that this version does not know are kept. */
  readonly addresses: readonly TicketAddress[]
  /** Whether an anypath peer made it, and not another program with the same wire. */
  readonly anypath: boolean
  readonly #text: string
  readonly #parts: TicketParts

  /** @internal */
  constructor(text: string, parts: TicketParts) {
    this.id = idToText(parts.id)
    this.addresses = parts.addresses
    this.anypath = parts.anypath
    this.#text = text
    this.#parts = parts
  }

  /** @internal */
  get parts(): TicketParts {
    return this.#parts
  }

  /** The text to share. */
  toString(): string {
    return this.#text
  }

  /** The text to share, so that a ticket can be put into JSON. */
  toJSON(): string {
    return this.#text
  }
}
