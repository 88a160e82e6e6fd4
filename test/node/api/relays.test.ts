import assert from 'node:assert/strict'
import { after, describe, type TestContext, test } from 'node:test'
import { AddressingEngine } from '../../../src/api/engine/addressing.js'
import { PeerRelays } from '../../../src/api/relays.js'
import { n0Relays, relayUrl, resolveSettings } from '../../../src/config/index.js'
import { staticDiscovery } from '../../../src/discovery/index.js'
import { systemClock } from '../../../src/driver/clock.js'
import type { RelayInfo } from '../../../src/driver/engine.js'
import { ALICE, ALPN, BOB, placed, TestPeer } from './environments.js'
import { FakeEngine } from './fake-engine.js'

const URL_TEXT = 'https://relay.example/'
const home = (relay: Partial<RelayInfo> = {}): RelayInfo => ({
  url: URL_TEXT,
  state: 'connected',
  home: true,
  cause: 'opened',
  ...relay,
})

// A peer's timers keep no process alive: its sockets do, and there are none here.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

describe('the setting', () => {
  const zeros = (length: number) => new Uint8Array(length)
  const resolved = (relays: unknown) => resolveSettings({ relays } as never, zeros).relays

  test('takes URLs and tokens, and brings each URL into one form', () => {
    assert.deepEqual(resolved(['wss://Relay.Example', { url: 'http://127.0.0.1:3340/?x#y', token: 'abc' }]), [
      { url: URL_TEXT },
      { url: 'http://127.0.0.1:3340/', token: 'abc' },
    ])
    assert.deepEqual(
      resolved(n0Relays).map(({ url }) => url),
      n0Relays,
    )
    assert.equal(relayUrl('no url'), undefined)
  })

  test('is refused with its name where it can not work, and never shows a token', () => {
    const wrong: [unknown, RegExp][] = [
      ['https://relay.example', /^relays: must be an array/],
      [['ftp://relay.example'], /^relays\[0\]: must be an http: or https: URL/],
      [['https://user:pass@relay.example'], /^relays\[0\]: /],
      [[{ url: 5 }], /^relays\[0\]\.url: must be a URL/],
      [[{ url: URL_TEXT, secret: 'x' }], /^relays\[0\]\.secret: there is no such setting/],
      [
        [{ url: URL_TEXT, token: 'a space ' }],
        /^relays\[0\]\.token: must be a text of printable ASCII, without a space at either end$/,
      ],
      [[{ url: URL_TEXT, token: 'a\ttab' }], /^relays\[0\]\.token: must be a text of printable ASCII/],
      [[{ url: URL_TEXT, ca: 'secret.pem' }], /^relays\[0\]\.ca: must be certificates in PEM$/],
      [[{ url: URL_TEXT, ca: 1 }], /^relays\[0\]\.ca: must be certificates in PEM$/],
      [[URL_TEXT, 'wss://relay.example/'], /^relays: must not name a relay twice/],
      [Array.from({ length: 17 }, (_, i) => `https://r${i}.example`), /^relays: must be at most 16/],
    ]
    for (const [value, message] of wrong) assert.throws(() => resolved(value), { code: 'InvalidConfig', message })
  })
})

describe('waiting for the home relay', () => {
  const relays = (...known: RelayInfo[]) => {
    const all = new PeerRelays(systemClock())
    all.load(known)
    return all
  }

  test('ends when it is connected', async () => {
    const all = relays(home({ state: 'connecting', home: false }))
    const waiting = all.online({})
    all.apply(home({ home: false }))
    all.apply(home())
    assert.deepEqual(await waiting, home())
    assert.deepEqual(await all.online({}), home())
    assert.deepEqual(all.home, home())
  })

  test('is in vain without relays, when they refuse, when the key is in use, in time, and when it is given up', async () => {
    await assert.rejects(relays().online({}), { code: 'NoRelayConfigured' })
    const denied = home({ state: 'waiting', cause: 'denied', home: false, detail: 'not on the list' })
    await assert.rejects(relays(denied).online({}), { code: 'RelayDenied', message: /not on the list/ })
    const all = relays(home({ state: 'connecting', home: false }))
    const waiting = all.online({})
    all.apply(home({ state: 'waiting', cause: 'key-in-use', home: false }))
    await assert.rejects(waiting, { code: 'KeyInUse' })
    const slow = relays(home({ state: 'waiting', cause: 'closed', home: false, detail: 'ECONNREFUSED' }))
    await assert.rejects(slow.online({ timeoutMs: 20 }), {
      code: 'RelayUnreachable',
      message: /20 ms \(ECONNREFUSED\)/,
    })
    const controller = new AbortController()
    const aborted = slow.online({ signal: controller.signal })
    controller.abort('enough')
    await assert.rejects(aborted, { code: 'Aborted', cause: 'enough' })
    await assert.rejects(slow.online({ signal: AbortSignal.abort() }), { code: 'Aborted' })
  })

  test('goes on while one relay of several may still answer', async () => {
    const all = relays(
      home({ state: 'waiting', cause: 'denied', home: false }),
      home({ url: 'https://b.example/', state: 'connecting' }),
    )
    const waiting = all.online({})
    all.apply(home({ url: 'https://b.example/' }))
    assert.equal((await waiting).url, 'https://b.example/')
  })

  test('rejects when the peer is closed', async () => {
    const engine = new FakeEngine(new Map(), [], ALICE)
    engine.knownRelays.push(home({ state: 'connecting', home: false }))
    const peer = await placed(TestPeer.over(engine), 'over a port')
    const waiting = assert.rejects(peer.online(), { code: 'PeerClosed' })
    await peer.close()
    await waiting
  })
})

for (const placement of ['in process', 'over a port'] as const) {
  describe(`a peer with a relay, ${placement}`, () => {
    const staged = async (context: TestContext) => {
      const engine = new FakeEngine(new Map(), [], ALICE)
      const peer = await placed(TestPeer.over(engine), placement)
      context.after(() => peer.close())
      return { engine, peer }
    }

    test('shows it, tells of changes, and has it in its ticket only while it is connected', async (context) => {
      const { engine, peer } = await staged(context)
      assert.equal(peer.relay, undefined)
      const told: RelayInfo[] = []
      const changed = new Promise<void>((resolve) => {
        peer.on('relay', (relay) => {
          told.push(relay)
          resolve()
        })
      })
      engine.emit({ type: 'relay', relay: home() })
      await changed
      assert.deepEqual(told, [home()])
      assert.deepEqual(peer.relay, home())
      assert.equal(String(await peer.ticket()), `fake:${ALICE}:relay,192.0.2.1|4433`)
      const lost = new Promise((resolve) => peer.on('relay', resolve))
      engine.emit({ type: 'relay', relay: home({ state: 'waiting', cause: 'denied' }) })
      await lost
      assert.equal(String(await peer.ticket()), `fake:${ALICE}:192.0.2.1|4433`)
      engine.localAddresses = () => Promise.resolve([])
      await assert.rejects(peer.ticket(), { code: 'RelayDenied' })
    })

    test('passes on that it was resumed', async (context) => {
      const { engine, peer } = await staged(context)
      peer.resumed()
      await new Promise((resolve) => setTimeout(resolve, 10))
      assert.deepEqual(engine.calls, ['resumed()'])
    })
  })
}

describe('a dial with relays', () => {
  const dialling = (known: readonly RelayInfo[], found: string[] = []) => {
    const network = new Map<string, FakeEngine>()
    const engine = new FakeEngine(network, [], ALICE)
    new FakeEngine(network, [ALPN], BOB)
    engine.knownRelays.push(...known)
    const discovery = [staticDiscovery({ [BOB]: found.map((url) => ({ kind: 'relay', url }) as const) })]
    return { engine, alice: TestPeer.over(new AddressingEngine(engine, discovery, 50, undefined)) }
  }

  test("tries the ticket's relay beside its addresses", async () => {
    const { engine, alice } = dialling([home()])
    await alice.connect(`fake:${BOB}:192.0.2.7|7,relay=wss://relay.example`, { alpn: ALPN })
    assert.deepEqual(engine.calls, [`connect(0:192.0.2.7:7,${URL_TEXT})`])
  })

  test('uses those that are given, or that discovery knows', async () => {
    const { engine, alice } = dialling([home()], ['https://found.example/'])
    await alice.connect({ id: BOB, relays: [URL_TEXT] }, { alpn: ALPN })
    await alice.connect(BOB, { alpn: ALPN })
    assert.deepEqual(engine.calls, [`connect(${URL_TEXT})`, 'connect(https://found.example/)'])
  })

  test('needs relays of its own', async () => {
    const { alice } = dialling([], ['https://found.example/'])
    await assert.rejects(alice.connect(BOB, { alpn: ALPN }), { code: 'NoRelayConfigured' })
    await assert.rejects(alice.connect({ id: BOB, relays: [URL_TEXT] }, { alpn: ALPN }), { code: 'NoRelayConfigured' })
  })

  test('looks its remote up again when it has lost its way', async () => {
    const { engine, alice } = dialling([home()], ['https://found.example/'])
    await alice.connect({ id: BOB, relays: [URL_TEXT] }, { alpn: ALPN })
    const connectionId = [...engine.links.keys()][0] ?? 0
    engine.emit({ type: 'discover', connectionId })
    engine.emit({ type: 'discover', connectionId: 999 })
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(engine.calls.slice(1), [`addAddresses(${connectionId}, https://found.example/)`])
  })
})
