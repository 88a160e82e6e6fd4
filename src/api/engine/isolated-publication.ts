import type { TicketAddress } from '../../discovery/address.js'
import type { Discovery, Publication } from '../../discovery/discovery.js'
import type { PublishedContent, PublishingClock, PublishingPeer } from '../../discovery/record.js'
import type { RecordKeeper } from '../../driver/record-keeper.js'
import type { Logger } from '../../observe/logger.js'
import { idToText } from '../identity.js'
import { recordReader } from './record-reader.js'

/** What a publication needs of the peer. */
export interface IsolatedPublicationParts {
  readonly records: RecordKeeper
  readonly clock: PublishingClock
  readonly logger: Logger | undefined
  readonly endpointId: Uint8Array
}

/** What a discovery publishes for this peer. Whatever it throws is logged and harms nobody else. */
export class IsolatedPublication implements Publication {
  /** Resolves when the record that withdraws was signed, or when nothing is left to be withdrawn: from then on the core may go. */
  readonly withdrawalSigned: Promise<void>
  readonly #name: string
  readonly #logger: Logger | undefined
  readonly #publication: Publication | undefined
  #closing = false
  #signed: () => void = () => {}

  constructor(discovery: Discovery, { records, clock, logger, endpointId }: IsolatedPublicationParts) {
    this.#name = discovery.name
    this.#logger = logger
    this.withdrawalSigned = new Promise((resolve) => {
      this.#signed = resolve
    })
    const peer: PublishingPeer = {
      id: idToText(endpointId),
      readRecord: recordReader(records),
      signRecord: async ({ addresses, userData }: PublishedContent, ttlSeconds, timestampMicros) => {
        const endpoint = { id: endpointId, anypath: addresses.length > 0, addresses }
        const packet = await records.signRecord({ endpoint, userData }, ttlSeconds, timestampMicros)
        if (this.#closing) this.#signed()
        return packet
      },
      clock,
      logger,
    }
    this.#publication = this.#isolated(() => discovery.publish?.(peer))
  }

  update(addresses: readonly TicketAddress[]): void {
    this.#isolated(() => this.#publication?.update(addresses))
  }

  async close(): Promise<void> {
    this.#closing = true
    try {
      await this.#publication?.close()
    } catch (thrown) {
      this.#warn(thrown)
    } finally {
      this.#signed()
    }
  }

  #isolated<Result>(use: () => Result): Result | undefined {
    try {
      return use()
    } catch (thrown) {
      this.#warn(thrown)
      return undefined
    }
  }

  #warn(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown.message : String(thrown)
    this.#logger?.warn('publishing failed', { discovery: this.#name, error })
  }
}
