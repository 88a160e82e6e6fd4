import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { foreign } from '../../../src/api/dial-address.js'
import type { Connection } from '../../../src/api/index.js'
import { Peer } from '../../../src/entry/node.js'
import { UdpTransport } from '../../../src/transport/udp.node.js'

const ALPN = 'addresses/1'
const host = '127.0.0.1'

async function accepted(peer: Peer): Promise<Connection> {
  for await (const connection of peer.incoming) return connection
  throw new Error('the peer was closed')
}

/** What one side sends on a stream, the other reads whole. */
async function carries(from: Connection, to: Connection, length: number): Promise<void> {
  const writer = (await from.createUnidirectionalStream()).getWriter()
  const writing = writer.write(new Uint8Array(length).fill(7)).then(() => writer.close())
  const { value: stream } = await to.incomingUnidirectionalStreams.getReader().read()
  assert.ok(stream)
  let bytes = 0
  for await (const chunk of stream) bytes += chunk.byteLength
  assert.equal(bytes, length)
  await writing
}

test('a peer with two UDP sockets is reached at either, and a connection on the second carries data both ways', async () => {
  const sockets = [new UdpTransport({ host }), new UdpTransport({ host })]
  await using listener = await Peer.create({ alpns: [ALPN], transports: sockets })
  const addresses = sockets.flatMap((socket) => socket.localAddresses())
  assert.deepEqual(
    (await listener.ticket()).addresses,
    addresses.map((address) => ({ kind: 'ip', ...address })),
  )
  for (const address of addresses) {
    await using dialler = await Peer.create({ udp: { host } })
    const [near, far] = await Promise.all([
      dialler.connect({ id: listener.id, addresses: [address] }, { alpn: ALPN }),
      accepted(listener),
    ])
    assert.equal(near.paths[0]?.port, address.port)
    // The second socket's addresses are virtual ones inside; none of that shows.
    assert.deepEqual([far.paths[0]?.kind, far.paths[0]?.host], ['udp', host])
    await carries(near, far, 1 << 20)
    await carries(far, near, 1 << 20)
  }
})

test('a ticket with a dead address beside a live one connects without delay, and once', async (context) => {
  const silent = dgram.createSocket('udp4').bind(0, host)
  context.after(() => silent.close())
  await once(silent, 'listening')
  await using listener = await Peer.create({ alpns: [ALPN], udp: { host } })
  const [live] = (await listener.ticket()).addresses
  assert.ok(live?.kind === 'ip')
  const dead = { host, port: silent.address().port }
  let heard = 0
  silent.on('message', () => heard++)
  for (const addresses of [
    [dead, live],
    [live, dead],
  ]) {
    await using dialler = await Peer.create({ udp: { host } })
    const begin = performance.now()
    const connection = await dialler.connect({ id: listener.id, addresses }, { alpn: ALPN })
    // QUIC would repeat its first packet after a second: far less than a timeout has passed, on a busy machine too.
    assert.ok(performance.now() - begin < 900, `${performance.now() - begin} ms`)
    assert.equal(connection.paths[0]?.port, live.port)
    assert.equal((await listener.stats()).connections, 1)
    connection.close()
    await accepted(listener).then(({ closed }) => closed)
    while ((await listener.stats()).connections > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.ok(heard > 0, 'the dead address was tried too')
})

test('what is found has no loopback address, unless this peer is reached at one', () => {
  const at = (host: string) => ({ kind: 'ip', host, port: 9 }) as const
  const hosts = ['127.0.0.1', '127.8.8.8', '::1', '192.0.2.1', '2001:db8::1']
  const found = [...hosts.map(at), { kind: 'relay', url: 'https://relay.example/' } as const]
  const local = (address: string) => [{ carrier: 0, transport: 'udp', host: address, port: 1 } as const]
  assert.deepEqual(foreign(found, local('192.0.2.7')), found.slice(3))
  assert.deepEqual(foreign(found, []), found.slice(3))
  assert.deepEqual(foreign(found, local('127.0.0.1')), found)
  assert.deepEqual(foreign(found, local('::1')), found)
})
