// beside others: it waits for what happens after seconds.
// time limit: 120 s
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { connect as openSocket, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { AddressCodec } from '../../../src/core/address.js'
import type { Core } from '../../../src/core/core.js'
import { decodeWebTransportAddress } from '../../../src/core/web-transport-address.js'
import { systemClock } from '../../../src/driver/clock.js'
import { listenForSessions } from '../../../src/entry/listening.js'
import type { Connection } from '../../../src/entry/node.js'
import { selfSignedCertificate } from '../../../src/relay/certificate.js'
import { ALPN, echo, readAll, relayOf } from '../relayed/relay-pair.js'
import { blockedPeer, forwarder, listeningPeer, overTcp, peerOf, selected } from './tcp-network.js'

const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const LIMIT = { timeout: 60_000 }
const PATH = '/.well-known/anypath/1'
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Sends bytes to an echo, and compares what comes back. */
async function exchange(connection: Connection, bytes: Uint8Array): Promise<void> {
  const { readable, writable } = await connection.createBidirectionalStream()
  const answer = readAll(readable)
  const writer = writable.getWriter()
  await writer.write(bytes)
  await writer.close()
  assert.equal(digest(await answer), digest(bytes))
}

test('where UDP is blocked a peer is reached over TCP by its ticket, without a relay', LIMIT, async (context) => {
  const { peer: bob } = await listeningPeer(context)
  const alice = await blockedPeer(context)
  void echo(bob)
  const accepted = new Promise<Connection>((resolve) => bob.on('connection', resolve))
  const connection = await alice.connect(await bob.ticket(), { alpn: ALPN })
  const [path] = connection.paths
  assert.deepEqual([path?.kind, path?.tcp, path?.host, connection.state], ['webtransport', true, '127.0.0.1', 'direct'])
  const [back] = (await accepted).paths
  assert.deepEqual([back?.kind, back?.tcp, back?.host], ['webtransport', true, '127.0.0.1'])
  await exchange(connection, randomBytes(8 << 20))
  assert.equal((await alice.stats()).datagramsReceived > 0, true)
})

test('where UDP works no session is opened over TCP', LIMIT, async (context) => {
  const { peer: bob, port } = await listeningPeer(context)
  const alice = await peerOf(context, {})
  const connection = await alice.connect(await bob.ticket(), { alpn: ALPN })
  const { port: through } = await forwarder(context, port)
  const other = await alice.connect(
    {
      ...overTcp(bob.id, through),
      addresses: (await bob.ticket()).addresses.flatMap((at) => (at.kind === 'ip' ? [at] : [])),
    },
    { alpn: ALPN },
  )
  await new Promise((resolve) => setTimeout(resolve, 1500))
  for (const { paths } of [connection, other])
    assert.deepEqual(
      paths.map(({ kind }) => kind),
      ['udp'],
    )
})

test(
  'a relayed connection moves to TCP, back when that is cut in mid-transfer, and to TCP again',
  LIMIT,
  async (context) => {
    const relay = await relayOf(context)
    const { peer: bob, port } = await listeningPeer(context, { relays: [relay.url] })
    const alice = await blockedPeer(context, { relays: [relay.url] })
    const between = await forwarder(context, port)
    void echo(bob)
    await Promise.all([alice.online(), bob.online()])
    const connection = await alice.connect(overTcp(bob.id, between.port, [relay.url]), { alpn: ALPN })
    assert.equal(connection.paths[0]?.kind, 'relay')
    await selected(connection, 'webtransport')
    const kinds: string[] = []
    connection.on('path', ({ change, kind }) => {
      if (change === 'selected') kinds.push(kind)
    })
    const moving = exchange(connection, randomBytes(8 << 20))
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(between.cut(), 1)
    await moving
    await selected(connection, 'webtransport')
    assert.deepEqual(kinds.slice(0, 2), ['relay', 'webtransport'])
    await exchange(connection, randomBytes(1 << 20))
  },
)

/** What a listener answers to bytes, or why it closed. */
function answer(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (data) => resolve(String(data).split('\r\n')[0] ?? ''))
    socket.once('close', () => resolve('closed'))
    socket.on('error', () => {})
  })
}

function webSocket(port: number, path = PATH, protocols = ['webtransport_kDraft2'], origin?: string): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, origin === undefined ? {} : { origin })
  socket.on('error', () => {})
  return socket
}

/** The status of a refusal, or that it was opened. */
function outcome(socket: WebSocket): Promise<number | 'open'> {
  return new Promise((resolve) => {
    socket.once('open', () => resolve('open'))
    socket.once('unexpected-response', (_, { statusCode = 0 }) => resolve(statusCode))
  })
}

const closing = (socket: WebSocket) => new Promise((resolve) => socket.once('close', resolve))

test('what is no session is refused by its status', LIMIT, async (context) => {
  const { port } = await listeningPeer(context, {}, { maxSessions: 2, origins: ['', 'https://chat.example'] })
  const cases: [WebSocket, number | 'open'][] = [
    [webSocket(port, '/'), 404],
    [webSocket(port, PATH, ['chat']), 400],
    [webSocket(port, PATH, undefined, 'https://evil.example'), 403],
    [webSocket(port, PATH, ['webtransport_kDraft1'], 'https://chat.example'), 'open'],
    [webSocket(port, `/${PATH}`), 'open'],
  ]
  for (const [socket, expected] of cases) assert.equal(await outcome(socket), expected)
  assert.equal(await outcome(webSocket(port)), 503)
  for (const [socket] of cases) socket.terminate()
  const { port: other } = await listeningPeer(context)
  const sockets: WebSocket[] = []
  for (let count = 0; count < 64; count++) {
    const socket = webSocket(other)
    assert.equal(await outcome(socket), 'open')
    sockets.push(socket)
  }
  assert.equal(await outcome(webSocket(other)), 429, 'one address has at most 64')
  for (const socket of sockets) socket.terminate()
  assert.match(String((await fetch(`http://127.0.0.1:${port}${PATH}`)).status), /404/)
})

test(
  'garbage, 200 half-open connections and sessions that say nonsense keep nobody from dialling',
  LIMIT,
  async (context) => {
    const { peer: bob, port } = await listeningPeer(context)
    const sockets = Array.from({ length: 200 }, () => openSocket(port, '127.0.0.1'))
    context.after(() => {
      for (const socket of sockets) socket.destroy()
    })
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve).on('error', resolve))),
    )
    for (const bytes of [randomBytes(4096), 'GET / HTTP/1.1\r\n\r\n', `GET ${PATH} HTTP/9\r\n\r\n`]) {
      const socket = openSocket(port, '127.0.0.1')
      socket.write(bytes)
      assert.match(await answer(socket), /^(closed|HTTP\/1\.1 4\d\d )/)
    }
    const nonsense: (string | Uint8Array)[] = [
      'text',
      new Uint8Array(0),
      // A packet of no bytes, and one that is longer than any.
      Uint8Array.of(0, 0, 0),
      Uint8Array.of(0, 0xff, 0xff, 1),
      // Packets that are shorter than any of QUIC's, each of which would cost as much as a whole one.
      Uint8Array.of(0, 0, 20, ...new Uint8Array(20)),
      new Uint8Array(65 * 1024),
    ]
    const began = performance.now()
    for (const message of nonsense) {
      const socket = webSocket(port)
      await outcome(socket)
      const closed = closing(socket)
      socket.send(message)
      await closed
    }
    assert.ok(performance.now() - began < 5000, 'at once, and not for want of a connection')
    // What the draft knows and nobody here needs is passed over; what is no QUIC is dropped and counted.
    const quiet = webSocket(port)
    await outcome(quiet)
    quiet.send(Uint8Array.of(0x99, 0x0b, 0x4d, 0x3d, 0x80, 0, 0x40, 0))
    quiet.send(Uint8Array.of(0, 0, 21, ...new Uint8Array(21).fill(9)))
    const connection = await (await blockedPeer(context)).connect(await bob.ticket(), { alpn: ALPN })
    assert.equal(connection.paths[0]?.tcp, true)
    assert.equal(quiet.readyState, WebSocket.OPEN)
    assert.ok((await bob.stats()).malformedDropped > 0)
    quiet.terminate()
    const waiting = await Promise.all(
      sockets.map((socket) => new Promise<number>((resolve) => setImmediate(() => resolve(socket.destroyed ? 0 : 1)))),
    )
    assert.ok(waiting.reduce((sum, one) => sum + one, 0) <= 16, 'the oldest of one address make room')
  },
)

test('a session that no connection uses is closed, and one in use is not', LIMIT, async (context) => {
  const limits = { handshakeTimeoutMs: 1000 }
  const { peer: bob, port } = await listeningPeer(context, { limits })
  const connection = await (await blockedPeer(context)).connect(await bob.ticket(), { alpn: ALPN })
  const stranger = webSocket(port)
  assert.equal(await outcome(stranger), 'open')
  await closing(stranger)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  assert.equal(connection.paths[0]?.tcp, true)
})

test('with a certificate the port speaks TLS, and is found by its name', LIMIT, async (context) => {
  const { certificatePem: cert, privateKeyPem: key } = selfSignedCertificate({ names: ['localhost'] })
  const tcp = { host: '127.0.0.1', port: 0, certificate: { name: 'localhost', cert, key } }
  const bob = await peerOf(context, { webTransport: { tcp } })
  const connection = await (await blockedPeer(context)).connect(await bob.ticket(), { alpn: ALPN })
  const [path] = connection.paths
  assert.deepEqual([path?.kind, path?.tcp, path?.host], ['webtransport', true, 'localhost'])
})

test('a port that listens by IPv4 alone is not told of at other addresses', LIMIT, async () => {
  const listening = listenForSessions({ tcp: { host: '0.0.0.0', port: 0 } }, 1000)
  const sessions = listening.channels?.({} as Core, systemClock())
  await sessions?.start({ receive() {}, ready() {}, tell() {} })
  try {
    const hosts = ['192.0.2.1', '2001:db8::1']
    const [data] = listening.addressesOf(
      [],
      hosts.map((host) => ({ host, port: 1 })),
    )
    const told = decodeWebTransportAddress(data ?? new Uint8Array(), new AddressCodec())
    assert.deepEqual(
      told?.sockets.map(({ host }) => host),
      ['192.0.2.1'],
    )
  } finally {
    await sessions?.closeAll()
  }
})

test('settings that can not be are named, and a port that is taken', LIMIT, async (context) => {
  const cases: [unknown, RegExp][] = [
    [true, /^webTransport\.tcp: must be an object/],
    [{}, /^webTransport\.tcp\.port: must be a whole number from 0 to 65535/],
    [{ port: 1, host: '' }, /^webTransport\.tcp\.host: must be an IP address/],
    [{ port: 0, tls: true }, /^webTransport\.tcp\.tls: there is no such setting/],
    [{ port: 0, certificate: { name: 'a/b', cert: '', key: '' } }, /^webTransport\.tcp\.certificate\.name: must be/],
    [
      { port: 0, certificate: { name: 'a.b', cert: 1, key: 'secret' } },
      /^webTransport\.tcp\.certificate: cert and key must be PEM texts$/,
    ],
    [
      { port: 0, certificate: { name: 'a.b', cert: 'x', key: 'secret' } },
      /^webTransport\.tcp: cert and key can not be used$/,
    ],
  ]
  for (const [tcp, message] of cases)
    await assert.rejects(peerOf(context, { webTransport: { tcp } as never }), { message })
  const { port } = await listeningPeer(context)
  await assert.rejects(peerOf(context, { webTransport: { tcp: { host: '127.0.0.1', port } } }), {
    code: 'AddressInUse',
  })
})
