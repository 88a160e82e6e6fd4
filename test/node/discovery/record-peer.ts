import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { encodeConfig } from '../../../src/core/config.js'
import { Core } from '../../../src/core/core.js'
import { CoreInstance } from '../../../src/core/instance.js'
import { compileCore } from '../../../src/core/load.js'
import { nodeCore } from '../../../src/core/load.node.js'
import type { PublishingPeer, ReadRecord } from '../../../src/discovery/index.js'
import { systemClock } from '../../../src/driver/clock.js'
import { DEFAULT_LIMITS } from '../../../src/driver/create.js'

/** A peer without connections: a real core that signs and reads records. */
export interface RecordPeer {
  readonly core: Core
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
  const program = nodeCore()
  const config = encodeConfig({
    secretKey,
    seed: randomBytes(32),
    epochMs: Date.now(),
    flags: {
      accept: false,
      askBeforeHandshake: false,
      earlyData: false,
      qlog: false,
      discoverMtu: false,
      classicalOnly: false,
    },
    logLevel: 0,
    congestion: 'cubic',
    limits: DEFAULT_LIMITS,
    alpns: [],
  })
  const core = new Core(new CoreInstance(await compileCore(program), program.createGlue(), config, () => 0))
  t.after(() => core.close())
  const publicKey = core.endpointId()
  const id = Buffer.from(publicKey).toString('hex')
  const readRecord: ReadRecord = async (remoteId, packet) => {
    const { endpoint, ...rest } = core.readRecord(Buffer.from(remoteId, 'hex'), packet)
    return { ...rest, addresses: endpoint.addresses }
  }
  const log: string[] = []
  const clock = systemClock()
  const publishing: PublishingPeer = {
    id,
    readRecord,
    signRecord: async ({ addresses, userData }, ttlSeconds, timestampMicros) =>
      core.signRecord(
        { endpoint: { id: publicKey, anypath: addresses.length > 0, addresses }, userData },
        ttlSeconds,
        timestampMicros,
      ),
    clock: { ...clock, epochMs: epochMs ?? clock.epochMs },
    logger: {
      debug: (message) => void log.push(`debug ${message}`),
      warn: (message, fields) => void log.push(`warn ${message} ${JSON.stringify(fields ?? {})}`),
    },
  }
  return { core, id, publishing, readRecord, log }
}
