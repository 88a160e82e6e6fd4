import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'

import { MemoryHub, type MemoryHubOptions } from '../../../src/transport/memory.js'
import { FakeClock } from './fake-clock.js'
import { ALPN, connected, type Endpoint, type EndpointOptions, endpoint, rejection } from './pair.js'

interface Net {
  readonly clock: FakeClock
  readonly client: Endpoint
  readonly server: Endpoint
}

/** Two engines in one hub, in virtual time. The only carrier of each is carrier 1. */
async function net(
  context: TestContext,
  hubOptions: Partial<MemoryHubOptions> = {},
  options: EndpointOptions = {},
): Promise<Net> {
  const clock = new FakeClock()
  const hub = new MemoryHub({ clock, delayMs: 10, ...hubOptions })
  const server = await endpoint(context, { clock, transports: [hub.port('10.0.0.2', 2)], ...options })
  const client = await endpoint(context, { clock, transports: [hub.port('10.0.0.1', 1)], ...options })
  return { clock, client, server }
}

test('two engines connect over a memory carrier in two round trips of virtual time', async (context) => {
  const { clock, client, server } = await net(context)
  const { c } = await clock.until(connected(client, server))
  const { info } = await client.event('connected', c)
  assert.deepEqual(info.remoteId, server.engine.endpointId)
  assert.deepEqual(new Uint8Array(info.alpn), ALPN)
  assert.equal(info.path.kind, 'memory')
  assert.equal(info.group, 0x11ec)
  assert.equal(info.cipher, 0x1303)
  assert.ok(clock.now() <= 65, `it took ${clock.now()} ms`)
})

test('bytes and the end go both ways, and finish resolves when the remote has them', async (context) => {
  const { clock, client, server } = await net(context)
  const { c, s } = await clock.until(connected(client, server))
  const stream = await clock.until(client.engine.openStream(c, true))
  const up = client.writeAll(c, stream, 300_000)
  const opened = await clock.until(server.event('stream', s))
  assert.equal(opened.streamId, stream)
  const got = await clock.until(server.readAll(s, stream))
  assert.deepEqual(got, await clock.until(up))
  const down = server.writeAll(s, stream, 300_000)
  assert.deepEqual(await clock.until(client.readAll(c, stream)), await clock.until(down))
})

test('a transfer over a link that loses one packet in ten arrives whole', async (context) => {
  let packet = 0
  const { clock, client, server } = await net(context, { loses: () => ++packet % 10 === 0 })
  const { c, s } = await clock.until(connected(client, server))
  const stream = await clock.until(client.engine.openStream(c, false))
  const sent = client.writeAll(c, stream, 200_000)
  await clock.until(server.event('stream', s))
  const received = await clock.until(server.readAll(s, stream))
  assert.deepEqual(received, await clock.until(sent))
})

test('reset and stop reach the other side with their codes', async (context) => {
  const { clock, client, server } = await net(context)
  const { c, s } = await clock.until(connected(client, server))
  const stream = await clock.until(client.engine.openStream(c, true))
  await clock.until(client.engine.write(c, stream, new Uint8Array(10)))
  await clock.until(server.event('stream', s))
  await clock.until(server.engine.read(s, stream, 100))
  const reading = rejection(server.engine.read(s, stream, 100))
  client.engine.reset(c, stream, 42)
  const reset = await clock.until(reading)
  assert.equal(reset.code, 'StreamReset')
  assert.equal((reset as { streamErrorCode?: number }).streamErrorCode, 42)
  client.engine.stop(c, stream, 43)
  const stopped = await clock.until(server.event('stopped', s))
  assert.equal(stopped.code, 43)
  assert.equal((await clock.until(rejection(server.engine.write(s, stream, new Uint8Array(1))))).code, 'StreamStopped')
})

test('a reader waits for what is written, and a second reader is refused', async (context) => {
  const { clock, client, server } = await net(context)
  const { c, s } = await clock.until(connected(client, server))
  const stream = await clock.until(client.engine.openStream(c, true))
  await clock.until(client.engine.write(c, stream, new Uint8Array([1, 2, 3])))
  await clock.until(server.event('stream', s))
  assert.deepEqual([...((await clock.until(server.engine.read(s, stream, 2))) ?? [])], [1, 2])
  assert.deepEqual([...((await clock.until(server.engine.read(s, stream, 2))) ?? [])], [3])
  const waiting = server.engine.read(s, stream, 10)
  assert.equal((await rejection(server.engine.read(s, stream, 10))).code, 'InvalidArgument')
  await clock.until(client.engine.write(c, stream, new Uint8Array([4])))
  assert.deepEqual([...((await clock.until(waiting)) ?? [])], [4])
})

test('openings beyond what the remote allows wait, or reject when they must not', async (context) => {
  const { clock, client, server } = await net(context, {}, { limits: { maxUnidirectionalStreams: 2 } })
  const { c, s } = await clock.until(connected(client, server))
  const streams = [
    await clock.until(client.engine.openStream(c, false)),
    await clock.until(client.engine.openStream(c, false)),
  ]
  const third = client.engine.openStream(c, false)
  assert.equal((await rejection(client.engine.openStream(c, false, false))).code, 'StreamLimit')
  for (const [nth, stream] of streams.entries()) {
    const finished = client.engine.finish(c, stream)
    await clock.until(server.event('stream', s, nth))
    assert.equal(await clock.until(server.engine.read(s, stream, 10)), null)
    await clock.until(finished)
  }
  assert.equal(typeof (await clock.until(third)), 'number')
})

test('datagrams arrive, and one that is too large is refused', async (context) => {
  const { clock, client, server } = await net(context)
  const { c, s } = await clock.until(connected(client, server))
  const most = await client.engine.maxDatagramBytes(c)
  assert.ok(most >= 1100, String(most))
  await client.engine.sendDatagram(c, new Uint8Array(most).fill(7))
  assert.equal((await rejection(client.engine.sendDatagram(c, new Uint8Array(most + 1000)))).code, 'DatagramTooLarge')
  const { bytes } = await clock.until(server.event('datagram', s))
  assert.deepEqual(bytes, new Uint8Array(most).fill(7))
})

test('closing gives the remote the code and the reason, and everything that waits its error', async (context) => {
  const { clock, client, server } = await net(context)
  const { c, s } = await clock.until(connected(client, server))
  const stream = await clock.until(client.engine.openStream(c, true))
  await clock.until(client.engine.write(c, stream, new Uint8Array(1)))
  await clock.until(server.event('stream', s))
  await clock.until(server.engine.read(s, stream, 1))
  const reading = rejection(server.engine.read(s, stream, 1))
  const here = rejection(client.engine.read(c, stream, 1))
  client.engine.closeConnection(c, 77, 'done')
  const closed = await clock.until(server.event('closed', s))
  assert.deepEqual([closed.code, closed.by, closed.wireCode, closed.reason], [20, 'remote', 77, 'done'])
  assert.equal((await clock.until(reading)).code, 'ClosedByPeer')
  assert.equal((await clock.until(here)).code, 'ClosedLocally')
  await clock.until(Promise.all([server.event('drained', s), client.event('drained', c)]))
})

test('a dial to where nobody is fails at the handshake timeout, in its stated time', async (context) => {
  const { clock, client, server } = await net(context, {}, { limits: { handshakeTimeoutMs: 3000 } })
  const c = await client.dial(server, [{ carrier: 1, transport: 'memory', host: '10.9.9.9', port: 9 }])
  const closed = await clock.until(client.event('closed', c))
  assert.equal(closed.code, 10)
  assert.ok(clock.now() >= 2900 && clock.now() <= 3200, `after ${clock.now()} ms`)
  await clock.until(client.event('drained', c))
})

test('a remote with another key is told apart', async (context) => {
  const { clock, client, server } = await net(context)
  const other = new Uint8Array(client.engine.endpointId)
  const addresses = await server.engine.localAddresses()
  const c = await client.engine
    .connect({ remoteId: other, alpn: ALPN, addresses, relays: [], earlyData: false })
    .catch((error) => error.code)
  if (typeof c !== 'number') return assert.equal(c, 'InvalidArgument')
  const closed = await clock.until(client.event('closed', c))
  assert.equal(closed.code, 11)
})

test('a silent remote ends in an idle timeout', async (context) => {
  let cut = false
  const { clock, client, server } = await net(context, { loses: () => cut }, { limits: { idleTimeoutMs: 5000 } })
  const { c, s } = await clock.until(connected(client, server))
  cut = true
  const [here, there] = await clock.until(Promise.all([client.event('closed', c), server.event('closed', s)]))
  assert.deepEqual([here.code, there.code], [22, 22], JSON.stringify([here, there]))
})

test('closing an engine tells the remote at once and releases everything', async (context) => {
  const { clock, client, server } = await net(context)
  const { s } = await clock.until(connected(client, server))
  const before = clock.now()
  await clock.until(client.engine.close(5, 'bye', 10_000))
  assert.ok(clock.now() - before < 50)
  const closed = await clock.until(server.event('closed', s))
  assert.deepEqual([closed.code, closed.wireCode, closed.reason], [20, 5, 'bye'])
  assert.equal((await rejection(client.engine.peerStats())).code, 'PeerClosed')
  assert.deepEqual(await client.engine.localAddresses(), [])
})

test('events name the states that the session goes through', async (context) => {
  const { clock, client, server } = await net(context)
  const { c } = await clock.until(connected(client, server))
  const first = await clock.until(client.event('state', c))
  assert.equal(first.from, 'idle')
  assert.ok(client.events.some((event) => event.type === 'state' && event.cause === 'handshake'))
})
