import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { compileCore } from '../../../src/core/load.js'
import { nodeCore } from '../../../src/core/load.node.js'
import { ALPN, connected, loopback, rejection } from './pair.js'

test('two peers connect by key over UDP and name the path', async (context) => {
  const [client, server] = [await loopback(context), await loopback(context)]
  const { c } = await connected(client, server)
  const { info } = await client.event('connected', c)
  const [at] = await server.engine.localAddresses()
  assert.deepEqual([info.path.kind, info.path.host, info.path.port], ['udp', '127.0.0.1', at?.port])
  assert.deepEqual([info.incoming, info.early, info.resumed], [false, false, false])
  const stats = await client.engine.connectionStats(c)
  assert.deepEqual([stats.group, stats.cipher], [0x11ec, 0x1303])
  assert.ok(stats.bytesSent > 1000 && stats.paths.length === 1)
  const peer = await server.engine.peerStats()
  assert.deepEqual([peer.connections, peer.accepted], [1, 1])
  assert.deepEqual(peer.transportDrops, {})
})

test('8 MiB go each way at once and arrive whole', async (context) => {
  const [client, server] = [await loopback(context), await loopback(context)]
  const { c, s } = await connected(client, server)
  const stream = await client.engine.openStream(c, true)
  const up = client.writeAll(c, stream, 8 << 20)
  await server.event('stream', s)
  const down = server.writeAll(s, stream, 8 << 20)
  const [there, here] = await Promise.all([server.readAll(s, stream), client.readAll(c, stream)])
  assert.deepEqual(there, await up)
  assert.deepEqual(here, await down)
})

test('a wrong key, an ALPN nobody serves and a port where nobody listens each give their own error', async (context) => {
  const limits = { handshakeTimeoutMs: 1500 }
  const [client, server, other] = [
    await loopback(context, { limits }),
    await loopback(context),
    await loopback(context),
  ]
  const addresses = await server.engine.localAddresses()
  const dial = async (change: object): Promise<number> => {
    const request = {
      remoteId: server.engine.endpointId,
      alpn: ALPN,
      addresses,
      relays: [],
      earlyData: false,
      ...change,
    }
    const connection = await client.engine.connect(request)
    return (await client.event('closed', connection)).code
  }
  assert.equal(await dial({ remoteId: other.engine.endpointId }), 11)
  assert.equal(await dial({ alpn: new TextEncoder().encode('nobody') }), 12)
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  await new Promise((resolve) => socket.once('listening', resolve))
  const { port } = socket.address()
  socket.close()
  const started = performance.now()
  assert.equal(await dial({ addresses: [{ carrier: 0, host: '127.0.0.1', port }] }), 10)
  const took = performance.now() - started
  assert.ok(took > 1000 && took < 2500, `it took ${took} ms`)
  assert.equal((await rejection(dial({ addresses: [] }))).code, 'NoAddress')
  assert.equal(
    (await rejection(dial({ addresses: [{ carrier: 0, host: 'localhost', port }] }))).code,
    'InvalidArgument',
  )
  await connected(client, server)
})

test('a reader that never reads costs bounded memory and holds up nobody', async (context) => {
  const [client, server] = [await loopback(context), await loopback(context)]
  const { c, s } = await connected(client, server)
  const third = await loopback(context)
  const other = await connected(third, server)
  const stuck = await client.engine.openStream(c, false)
  const writing = (async () => {
    for (let sent = 0; sent < 64; sent++) await client.engine.write(c, stuck, randomBytes(1 << 20))
  })()
  writing.catch(() => {})
  await server.event('stream', s)
  await sleep(300)
  const before = (await server.engine.peerStats()).memoryBytes
  const [onSame, onOther] = [await client.engine.openStream(c, false), await third.engine.openStream(other.c, false)]
  const sent = Promise.all([client.writeAll(c, onSame, 4 << 20), third.writeAll(other.c, onOther, 4 << 20)])
  await server.event('stream', s, 1)
  await server.event('stream', other.s)
  assert.deepEqual(await Promise.all([server.readAll(s, onSame), server.readAll(other.s, onOther)]), await sent)
  assert.ok((await server.engine.peerStats()).memoryBytes - before < 16 << 20)
  client.engine.closeConnection(c, 0, '')
  assert.equal((await rejection(writing)).code, 'ClosedLocally')
})

test('100,000 random datagrams at the socket disturb no transfer', async (context) => {
  const [client, server] = [await loopback(context), await loopback(context)]
  const { c, s } = await connected(client, server)
  const [at] = await server.engine.localAddresses()
  const socket = dgram.createSocket('udp4')
  context.after(() => socket.close())
  const stream = await client.engine.openStream(c, false)
  const sent = client.writeAll(c, stream, 8 << 20)
  await server.event('stream', s)
  const received = server.readAll(s, stream)
  const noise = randomBytes(4096)
  for (let packet = 0; packet < 100_000; packet++) {
    const start = packet % 2700
    socket.send(noise.subarray(start, start + (packet % 1396)), at?.port ?? 0, '127.0.0.1')
    if (packet % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.deepEqual(await received, await sent)
  const stats = await server.engine.peerStats()
  assert.ok(stats.malformedDropped + stats.unroutedDropped + stats.refused > 1000, JSON.stringify(stats))
  assert.equal(stats.connections, 1)
  await connected(client, server)
})

test("a client's socket is replaced in mid-transfer and the connection goes on", async (context) => {
  const [client, server] = [await loopback(context), await loopback(context)]
  const { c, s } = await connected(client, server)
  const stream = await client.engine.openStream(c, false)
  const sent = client.writeAll(c, stream, 16 << 20)
  await server.event('stream', s)
  const received = server.readAll(s, stream)
  await sleep(30)
  await client.udp.rebind()
  assert.deepEqual(await received, await sent)
  const [now] = await client.engine.localAddresses()
  const stats = await server.engine.connectionStats(s)
  assert.ok(
    stats.paths.some(({ port }) => port === now?.port),
    JSON.stringify(stats.paths),
  )
})

test('two peers in one process share nothing but code', async (context) => {
  const core = nodeCore()
  const wasm = await compileCore(core)
  const shared = { ...core, wasm }
  const [one, two] = [await loopback(context, { core: shared }), await loopback(context, { core: shared })]
  assert.notDeepEqual(one.engine.endpointId, two.engine.endpointId)
  const { c } = await connected(one, two)
  const third = await loopback(context, { core: shared })
  const [before, quiet] = [await one.engine.peerStats(), await third.engine.peerStats()]
  const stream = await one.engine.openStream(c, false)
  void one.engine.write(c, stream, new Uint8Array(4 << 20)).catch(() => {})
  await sleep(100)
  assert.ok((await one.engine.peerStats()).memoryBytes >= before.memoryBytes)
  assert.deepEqual(await third.engine.peerStats(), quiet)
  await two.engine.close(0, '', 1000)
  await one.event('closed', c)
  await connected(one, third)
})

test('a closed engine refuses calls, and closing twice is one close', async (context) => {
  const [client, server] = [await loopback(context), await loopback(context)]
  const { c } = await connected(client, server)
  const reading = rejection(client.engine.openStream(c, true).then((stream) => client.engine.read(c, stream, 10)))
  await sleep(10)
  const started = performance.now()
  await Promise.all([client.engine.close(3, 'bye', 5000), client.engine.close(4, 'again', 5000)])
  assert.ok(performance.now() - started < 1000)
  assert.match((await reading).code, /^(ClosedLocally|PeerClosed)$/)
  assert.equal((await rejection(client.dial(server))).code, 'PeerClosed')
  client.engine.ping(c)
  client.engine.closeConnection(c, 0, '')
})
