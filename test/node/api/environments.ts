import { diagnosing } from '../../../src/api/diagnosing.js'
import { Peer } from '../../../src/api/peer.js'
import type { Platform } from '../../../src/api/platform.js'
import type { EnginePort } from '../../../src/api/port/messages.js'
import { systemClock } from '../../../src/driver/clock.js'
import type { Engine } from '../../../src/driver/engine.js'
import { portModule } from '../../../src/entry/port.js'
import type { Logger } from '../../../src/observe/logger.js'
import { FakeEngine } from './fake-engine.js'

/** A peer over any engine. */
export class TestPeer extends Peer {
  static override readonly platform = { port: async () => portModule } as Partial<Platform> as Platform

  static over(engine: Engine, logger?: Logger, incomingBacklog = 4): Peer {
    const diagnose = diagnosing(engine, undefined)
    return new TestPeer({
      engine,
      logger,
      incomingBacklog,
      clock: systemClock(),
      watchLifecycle: undefined,
      diagnose,
      addressesOf: undefined,
    })
  }
}

/** A peer that runs in this process, and the same peer used over a port. */
export type Placement = 'in process' | 'over a port'

/** The peer itself, or what the other side of a port makes of it. */
export async function placed(peer: Peer, placement: Placement, logger?: Logger): Promise<Peer> {
  if (placement === 'in process') return peer
  const { port1, port2 } = new MessageChannel()
  peer.serve(port1 as EnginePort)
  return TestPeer.attach(port2 as EnginePort, { incomingBacklog: 4, ...(logger && { logger }) })
}

export const ALICE = 'a1'.repeat(32)
export const BOB = 'b0'.repeat(32)
export const ALPN = 'test/1'

/** Alice dials and Bob serves `test/1`, without a core and a network. */
export interface FakePair {
  readonly alice: Peer
  readonly bob: Peer
  readonly aliceEngine: FakeEngine
  readonly bobEngine: FakeEngine
}

export async function fakePair(placement: Placement, logger?: Logger): Promise<FakePair> {
  const network = new Map<string, FakeEngine>()
  const aliceEngine = new FakeEngine(network, [], ALICE)
  const bobEngine = new FakeEngine(network, [ALPN], BOB)
  const alice = await placed(TestPeer.over(aliceEngine, logger), placement, logger)
  const bob = await placed(TestPeer.over(bobEngine, logger), placement, logger)
  return { alice, bob, aliceEngine, bobEngine }
}
