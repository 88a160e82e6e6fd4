import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { ChannelEngine, type ChannelEngineParts } from '../../../src/api/web-rtc/channel-engine.js'
import { SIGNALLING_ALPN } from '../../../src/api/web-rtc/signal.js'
import { systemClock } from '../../../src/driver/clock.js'
import type { SearchInfo } from '../../../src/driver/engine.js'
import { FakeEngine } from '../api/fake-engine.js'
import { FakeNetwork } from './fake-channels.js'

const RELAY = 'https://relay.example/'
const REMOTE = new Uint8Array(32).fill(7)

/** A peer with one relayed connection, 1, that it has dialled. */
function dialled(context: TestContext, parts: Partial<ChannelEngineParts>) {
  const signalled: string[] = []
  class Inner extends FakeEngine {
    carry(): never {
      throw new Error('nobody carries anything here')
    }

    override async connect(request: Parameters<FakeEngine['connect']>[0]): Promise<number> {
      signalled.push(new TextDecoder().decode(request.alpn))
      return 100 + signalled.length
    }
  }
  const inner = new Inner(new Map(), [], '00'.repeat(32))
  const network = new FakeNetwork()
  const engine = new ChannelEngine({
    inner,
    maker: async () => network,
    addressesOf: undefined,
    opensSessions: false,
    clock: systemClock(),
    traverses: false,
    asks: false,
    ...parts,
  })
  engine.onEvent(() => {})
  context.after(() => engine.close(0, '', 0))
  const relayed = { pathId: 0, kind: 'relay', host: 'relay.example', port: 443, rttMs: 5, relay: RELAY } as const
  inner.emit({
    type: 'connected',
    connectionId: 1,
    info: {
      remoteId: REMOTE,
      incoming: false,
      early: false,
      group: 0,
      cipher: 0,
      resumed: false,
      alpn: new Uint8Array(1),
      path: relayed,
    },
  })
  const search = (search: Partial<SearchInfo>) =>
    inner.emit({
      type: 'search',
      connectionId: 1,
      search: { scheme: 'candidates', found: 'nothing', round: 1, candidates: 0, probes: 9, elapsedMs: 9, ...search },
    })
  return { signalled, search }
}

test('who has no sockets asks at once', async (context) => {
  const { signalled } = dialled(context, {})
  await setTimeout(50)
  assert.deepEqual(signalled, [SIGNALLING_ALPN])
})

test('who has sockets asks a remote that has told of no address, and only when the search has found nothing', async (context) => {
  const { signalled, search } = dialled(context, { traverses: true })
  search({ candidates: 3 })
  search({ found: 'peer-reflexive' })
  await setTimeout(50)
  assert.deepEqual(signalled, [])
  search({})
  await setTimeout(50)
  assert.deepEqual(signalled, [SIGNALLING_ALPN])
})

test('who can neither make channels nor open sessions asks nobody', async (context) => {
  const { signalled, search } = dialled(context, { maker: undefined })
  search({})
  await setTimeout(50)
  assert.deepEqual(signalled, [])
})

test('who can open sessions asks where there are some, without channels of its own', async (context) => {
  const { signalled } = dialled(context, { maker: undefined, opensSessions: true })
  await setTimeout(50)
  assert.deepEqual(signalled, [SIGNALLING_ALPN])
})
