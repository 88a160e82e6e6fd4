// time limit: 240 s
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { SIGNALLING_ALPN } from '../../../src/api/web-rtc/signal.js'
import type { Connection, PeerOptions } from '../../../src/entry/node.js'
import { Peer } from '../../../src/entry/node.js'
import { ALPN, readAll, relayedPeer, relayOf } from '../relayed/relay-pair.js'
import { FakeNetwork } from './fake-channels.js'

const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const LIMIT = { timeout: 60_000 }

/** On the loopback, where nobody else is asked or told anything. */
const SOCKETS: PeerOptions = { udp: { host: '127.0.0.1' }, lan: false, portMapping: false, stunServers: [] }

/** Peers whose platform has these channels, and sockets only if a test asks for them. */
function peersOf(network: FakeNetwork): typeof Peer {
  const { platform } = Peer
  assert.ok(platform)
  return class extends Peer {
    static override readonly platform = { ...platform, channels: () => async () => network }
  }
}

async function peerOn(
  context: TestContext,
  network: FakeNetwork,
  url: string,
  options: PeerOptions = {},
): Promise<Peer> {
  const peer = await peersOf(network).create({ transports: [], relays: [url], alpns: [ALPN], ...options })
  context.after(() => peer.close())
  await peer.online()
  return peer
}

interface Pair {
  readonly alice: Peer
  readonly bob: Peer
  /** Alice has dialled. */
  readonly near: Connection
  readonly far: Connection
  readonly network: FakeNetwork
  readonly url: string
}

async function pairOf(context: TestContext, options: PeerOptions = {}): Promise<Pair> {
  const [network, relay] = [new FakeNetwork(), await relayOf(context)]
  const alice = await peerOn(context, network, relay.url)
  const bob = await peerOn(context, network, relay.url, options)
  const arrived = new Promise<Connection>((resolve) => bob.on('connection', resolve))
  const near = await alice.connect({ id: bob.id, relays: [relay.url] }, { alpn: ALPN })
  return { alice, bob, near, far: await arrived, network, url: relay.url }
}

const kindOf = (connection: Connection) => connection.paths[0]?.kind

async function waitFor(what: string, done: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await done())) {
    assert.ok(performance.now() < end, what)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const bothUse = ({ near, far }: Pair, kind: string) =>
  waitFor(`both use ${kind}`, () => kindOf(near) === kind && kindOf(far) === kind)

/** Which paths carry data from now on, by their kind. */
function selectedOf(connection: Connection): string[] {
  const selected: string[] = []
  connection.on('path', ({ change, kind }) => {
    if (change === 'selected') selected.push(kind)
  })
  return selected
}

/** Data goes both ways and arrives whole. */
async function carries({ near, far }: Pair, bytes = 1 << 20): Promise<void> {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    const writer = (await from.createUnidirectionalStream()).getWriter()
    const data = new Uint8Array(bytes).map((_, i) => i % 251)
    const written = writer.write(data).then(() => writer.close())
    const streams = to.incomingUnidirectionalStreams.getReader()
    const { value } = await streams.read()
    streams.releaseLock()
    assert.ok(value)
    assert.deepEqual(await readAll(value), data)
    await written
  }
}

test('a relayed connection moves to a channel, and the session is direct', LIMIT, async (context) => {
  const pair = await pairOf(context)
  assert.equal(kindOf(pair.near), 'relay')
  await bothUse(pair, 'webrtc')
  await waitFor('direct', () => pair.near.state === 'direct' && pair.far.state === 'direct')
  assert.deepEqual(
    pair.near.paths.map(({ kind, host }) => [kind, host]),
    [
      ['webrtc', '192.0.2.1'],
      ['relay', '127.0.0.1'],
    ],
  )
  const before = pair.network.packets
  await carries(pair)
  assert.ok(pair.network.packets - before > (2 << 20) / 1200)
  assert.equal(pair.network.made, 2)
  // An acknowledgement is owed no answer: idle peers send their keep-alives alone.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const idle = pair.network.packets
  await new Promise((resolve) => setTimeout(resolve, 3000))
  assert.ok(pair.network.packets - idle < 12, `${pair.network.packets - idle} packets in 3 idle seconds`)
  // Nobody but the two engines has seen a signalling connection.
  assert.equal(pair.alice.session(pair.bob.id).connections.length, 1)
})

test('a peer with sockets asks a remote without any, once its search has come to nothing', LIMIT, async (context) => {
  const [network, relay] = [new FakeNetwork(), await relayOf(context)]
  const page = await peerOn(context, network, relay.url)
  const node = await peersOf(network).create({ relays: [relay.url], ...SOCKETS })
  context.after(() => node.close())
  const arrived = new Promise<Connection>((resolve) => page.on('connection', resolve))
  const near = await node.connect({ id: page.id, relays: [relay.url] }, { alpn: ALPN })
  const searches: number[] = []
  near.on('search', ({ candidates }) => searches.push(candidates))
  const pair = { near, far: await arrived }
  await waitFor('a channel', () => kindOf(pair.near) === 'webrtc' && kindOf(pair.far) === 'webrtc', 10_000)
  assert.equal(searches[0], 0)
  await carries({ ...pair, alice: node, bob: page, network, url: relay.url })
})

test('a peer with sockets asks nobody who has some, and answers whoever asks', LIMIT, async (context) => {
  const [network, relay] = [new FakeNetwork(), await relayOf(context)]
  const create = () => peersOf(network).create({ relays: [relay.url], alpns: [ALPN], ...SOCKETS })
  const [one, other] = [await create(), await create()]
  for (const peer of [one, other]) {
    context.after(() => peer.close())
    await peer.online()
  }
  const near = await one.connect({ id: other.id, relays: [relay.url] }, { alpn: ALPN })
  await waitFor('direct', () => kindOf(near) === 'udp')
  assert.equal(network.made, 0)
  const page = await peerOn(context, network, relay.url)
  const asking = await page.connect({ id: other.id, relays: [relay.url] }, { alpn: ALPN })
  await waitFor('a channel', () => kindOf(asking) === 'webrtc')
  assert.equal(network.made, 2)
})

test('further connections use the channel from their first packet on', LIMIT, async (context) => {
  const pair = await pairOf(context)
  await bothUse(pair, 'webrtc')
  const second = await pair.alice.connect({ id: pair.bob.id, relays: [pair.url] }, { alpn: ALPN })
  await waitFor('it is direct', () => kindOf(second) === 'webrtc')
  assert.equal(pair.network.made, 2)
  second.close()
  await carries(pair)
})

test('a channel that is cut costs nothing but time, and another one follows', LIMIT, async (context) => {
  const pair = await pairOf(context)
  await bothUse(pair, 'webrtc')
  const selected = selectedOf(pair.near)
  const transfer = carries(pair, 4 << 20)
  pair.network.cut()
  await waitFor('another pair', () => pair.network.made === 4)
  await transfer
  await waitFor('it is used', () => String(selected) === 'relay,webrtc')
  await bothUse(pair, 'webrtc')
  assert.equal(pair.network.live.size, 2)
})

test('a channel through which nothing comes is left at once, and replaced', LIMIT, async (context) => {
  const pair = await pairOf(context)
  await bothUse(pair, 'webrtc')
  const selected = selectedOf(pair.near)
  pair.network.interrupt()
  await waitFor('another pair is used', () => String(selected) === 'relay,webrtc')
  assert.equal(pair.network.made, 4)
  await bothUse(pair, 'webrtc')
  await carries(pair)
  await waitFor('the former channel is closed', () => pair.network.live.size === 2)
})

test('a channel that carries nothing one way, and says nothing, is left and replaced', LIMIT, async (context) => {
  for (const side of ['initiator', 'answerer'] as const) {
    const pair = await pairOf(context)
    await bothUse(pair, 'webrtc')
    const selected = selectedOf(pair.near)
    const transfer = carries(pair, 4 << 20)
    pair.network.mute(side)
    await waitFor(`it is left where the ${side} is mute`, () => selected[0] === 'relay', 5000)
    await transfer
    await waitFor('another pair is used', () => String(selected) === 'relay,webrtc')
    await bothUse(pair, 'webrtc')
    await waitFor('the former channel is closed', () => pair.network.live.size === 2)
  }
})

test(
  'on another network a new channel is made beside the old one, which closes when that is there',
  LIMIT,
  async (context) => {
    for (const who of ['alice', 'bob'] as const) {
      const pair = await pairOf(context)
      await bothUse(pair, 'webrtc')
      const selected = selectedOf(pair.near)
      pair[who].networkChanged()
      await waitFor('a second pair', () => pair.network.made === 4)
      await waitFor('the first pair is closed', () => pair.network.live.size === 2)
      await carries(pair)
      assert.ok(!selected.includes('relay'), `${who}: ${selected}`)
    }
  },
)

test('where channels come to nothing the connection stays relayed, and tries are rare', LIMIT, async (context) => {
  const [network, relay] = [new FakeNetwork(), await relayOf(context)]
  network.isOpen = false
  const alice = await peerOn(context, network, relay.url)
  const bob = await peerOn(context, network, relay.url)
  const arrived = new Promise<Connection>((resolve) => bob.on('connection', resolve))
  const near = await alice.connect({ id: bob.id, relays: [relay.url] }, { alpn: ALPN })
  const pair = { alice, bob, near, far: await arrived, network, url: relay.url }
  await waitFor('one try', () => network.made === 2)
  await carries(pair)
  assert.deepEqual([network.made, kindOf(near)], [2, 'relay'])
  network.cut()
  await waitFor('another', () => network.made === 4)
  network.isOpen = true
  network.cut()
  await bothUse(pair, 'webrtc')
})

test('a peer that knows nothing of WebRTC is asked once', LIMIT, async (context) => {
  const [network, relay] = [new FakeNetwork(), await relayOf(context)]
  const alice = await peerOn(context, network, relay.url)
  const bob = await relayedPeer(context, [relay.url])
  await bob.online()
  const near = await alice.connect({ id: bob.id, relays: [relay.url] }, { alpn: ALPN })
  await waitFor('it was asked', async () => (await alice.stats()).dialsFailed === 1)
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const { dialsFailed, dialsStarted } = await alice.stats()
  assert.deepEqual([dialsFailed, dialsStarted, network.made, kindOf(near)], [1, 2, 0, 'relay'])
})

test('two peers that dial each other at once share one channel', LIMIT, async (context) => {
  const [network, relay] = [new FakeNetwork(), await relayOf(context)]
  const peers = [await peerOn(context, network, relay.url), await peerOn(context, network, relay.url)] as const
  const [one, other] = await Promise.all(
    peers.map((peer, i) => peer.connect({ id: peers[1 - i]?.id ?? '', relays: [relay.url] }, { alpn: ALPN })),
  )
  assert.ok(one && other)
  await waitFor('both are direct', () => kindOf(one) === 'webrtc' && kindOf(other) === 'webrtc')
  await waitFor('by one channel', () => network.live.size === 2)
})

test('with the last connection the channel goes, two hundred times', { timeout: 120_000 }, async (context) => {
  const [network, relay] = [new FakeNetwork(), await relayOf(context)]
  const alice = await peerOn(context, network, relay.url)
  const bob = await peerOn(context, network, relay.url)
  void (async () => {
    for await (const _ of bob.incoming);
  })()
  for (let turn = 0; turn < 200; turn++) {
    const connection = await alice.connect({ id: bob.id, relays: [relay.url] }, { alpn: ALPN })
    if (turn % 4 === 0) await waitFor('direct', () => kindOf(connection) === 'webrtc')
    connection.close()
    await connection.closed
  }
  await waitFor('nothing is left', () => network.live.size === 0)
  await waitFor(
    'no connection is left',
    async () => (await alice.stats()).connections + (await bob.stats()).connections === 0,
  )
})

test('before the application wants a connection nothing is told by which it could be found', LIMIT, async (context) => {
  const [network, relay] = [new FakeNetwork(), await relayOf(context)]
  const asked: string[] = []
  let decide: (wanted: boolean) => void = () => {}
  const alice = await peerOn(context, network, relay.url)
  const bob = await peerOn(context, network, relay.url, {
    accept: {
      connection: ({ alpn }) => {
        asked.push(alpn)
        return new Promise((resolve) => {
          decide = resolve
        })
      },
    },
  })
  const near = await alice.connect({ id: bob.id, relays: [relay.url] }, { alpn: ALPN })
  await waitFor('a signalling connection was refused', async () => (await alice.stats()).dialsSucceeded === 2)
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual([asked, network.answered], [[ALPN], 0], 'the hook hears of the application’s connections alone')
  decide(true)
  await waitFor('direct', () => kindOf(near) === 'webrtc')
})

test('who has no connection has nothing to signal, and what is no signal harms nobody', LIMIT, async (context) => {
  const pair = await pairOf(context)
  await bothUse(pair, 'webrtc')
  const { near, bob, alice } = pair
  assert.ok(near && bob && alice)
  await assert.rejects(alice.connect({ id: bob.id, relays: [pair.url] }, { alpn: SIGNALLING_ALPN }), {
    code: 'InvalidArgument',
  })
  await assert.rejects(peersOf(pair.network).create({ alpns: [SIGNALLING_ALPN] }), { code: 'InvalidConfig' })
  await carries(pair)
})
