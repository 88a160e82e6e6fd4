import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { recordReader } from '../../../src/api/engine/record-reader.js'
import { DEFAULT_LIMITS } from '../../../src/config/index.js'
import { nodeCore } from '../../../src/core/load.node.js'
import type { PublishingPeer, ReadRecord } from '../../../src/discovery/index.js'
import { systemClock } from '../../../src/driver/clock.js'
import { createEngine } from '../../../src/driver/create.js'
import type { RecordKeeper } from '../../../src/driver/record-keeper.js'

/** A peer without connections: a real core that signs and reads records. */
export interface RecordPeer {
  readonly records: RecordKeeper
  readonly publicKey: Uint8Array
  /** 64 hexadecimal digits. */
  readonly id: string
  readonly publishing: PublishingPeer
  readonly readRecord: ReadRecord
  /** What was logged, as `level message`. */
  readonly log: string[]
}

/** Starts a core with a key of its own; it ends with the test. */
export async function recordPeer(
  t: TestContext,
  { secretKey = randomBytes(32), epochMs }: { secretKey?: Uint8Array; epochMs?: () => number } = {},
): Promise<RecordPeer> {
  const engine = await createEngine({ secretKey, alpns: [], transports: [], core: nodeCore(), limits: DEFAULT_LIMITS })
  t.after(() => engine.close(0, '', 0))
  const publicKey = engine.endpointId
  const id = Buffer.from(publicKey).toString('hex')
  const readRecord = recordReader(engine)
  const log: string[] = []
  const clock = systemClock()
  const publishing: PublishingPeer = {
    id,
    readRecord,
    signRecord: async ({ addresses, userData }, ttlSeconds, timestampMicros) => {
      const endpoint = { id: publicKey, anypath: addresses.length > 0, addresses }
      return engine.signRecord({ endpoint, userData }, ttlSeconds, timestampMicros)
    },
    clock: { ...clock, epochMs: epochMs ?? clock.epochMs },
    logger: {
      debug: (message) => void log.push(`debug ${message}`),
      warn: (message, fields) => void log.push(`warn ${message} ${JSON.stringify(fields ?? {})}`),
    },
  }
  return { records: engine, publicKey, id, publishing, readRecord, log }
}
