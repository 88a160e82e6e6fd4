// time limit: 300 s
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { WebSocket } from 'ws'
import { type Relay, type RelayLimits, startRelay } from '../../../src/relay/index.js'
import { KeyPair, RawClient, until } from './raw-client.js'

const MAX_CONNECTIONS = 400
const QUEUE_BYTES = 262_144
const limits: Partial<RelayLimits> = {
  maxConnectionsPerAddress: MAX_CONNECTIONS,
  maxHandshakesPerAddress: 40,
  handshakeTimeoutMs: 1_500,
  bytesPerSecond: 4 * 2 ** 20,
  burstBytes: 2 ** 20,
  messagesPerSecond: 2_000,
  queueBytes: QUEUE_BYTES,
  pingIntervalMs: 2_000,
  pingTimeoutMs: 2_000,
}

let relay: Relay
let honest: [RawClient, RawClient]
const service = { sent: 0, arrived: 0, worstMs: 0 }
let sending: NodeJS.Timeout

/** Two honest clients exchange a datagram every 20 ms for as long as the tests last. */
before(async () => {
  relay = await startRelay({ port: 0, limits })
  honest = [await RawClient.connect(relay.url), await RawClient.connect(relay.url)]
  const [one, two] = honest
  const answerPings = (client: RawClient) =>
    client.socket.on('message', (data: Buffer) => {
      if (data[0] === 9) client.socket.send(Buffer.concat([Buffer.from([10]), data.subarray(1)]))
    })
  answerPings(one)
  answerPings(two)
  two.onDatagram((message) => {
    service.arrived++
    service.worstMs = Math.max(service.worstMs, performance.now() - message.readDoubleLE(34))
  })
  sending = setInterval(() => {
    const content = Buffer.alloc(100)
    content.writeDoubleLE(performance.now())
    one.datagram(two.pair.key, content)
    service.sent++
  }, 20)
})

after(async () => {
  clearInterval(sending)
  await relay.close()
})

/** Does something hostile and measures what the honest clients notice of it. */
async function whileServed(attack: () => Promise<void>): Promise<void> {
  const before = { ...service }
  service.worstMs = 0
  await attack()
  await new Promise((resolve) => setTimeout(resolve, 300))
  const sent = service.sent - before.sent
  const arrived = service.arrived - before.arrived
  assert.ok(sent > 10, `only ${sent} were sent`)
  assert.ok(arrived >= sent - 3, `${arrived} of ${sent} datagrams arrived`)
  for (const { socket } of honest) assert.equal(socket.readyState, WebSocket.OPEN)
  assert.ok(relay.metrics().queuedBytes < 8 * 2 ** 20)
}

const gone = (client: RawClient) => client.closed

test('a client that signs with another key than it names is refused', () =>
  whileServed(async () => {
    const liar = new RawClient(relay.url)
    const answer = liar.pair.clientAuth((await liar.next()).subarray(1))
    honest[0].pair.key.copy(answer, 1)
    liar.socket.send(answer)
    const denial = await liar.next()
    assert.equal(denial[0], 3)
    assert.equal(denial.subarray(2).toString(), 'signature invalid')
    assert.equal((await gone(liar)).code, 1008)
  }))

test('an answer to an earlier challenge is refused, and so is one twice', () =>
  whileServed(async () => {
    const pair = new KeyPair()
    const first = new RawClient(relay.url, { pair })
    const answer = pair.clientAuth((await first.next()).subarray(1))
    first.socket.send(answer)
    assert.equal((await first.next())[0], 2)
    const replaying = new RawClient(relay.url, { pair })
    await replaying.next()
    replaying.socket.send(answer)
    assert.equal((await replaying.next())[0], 3)
    first.socket.send(answer)
    assert.equal((await gone(first)).code, 1002)
  }))

test('a key of small order, for which anybody can sign, is refused', () =>
  whileServed(async () => {
    const client = new RawClient(relay.url)
    await client.next()
    const neutral = Buffer.from([1, ...Buffer.alloc(31)])
    client.socket.send(Buffer.concat([Buffer.from([1]), neutral, Buffer.from([64]), neutral, Buffer.alloc(32)]))
    assert.equal((await client.next())[0], 3)
  }))

test('whoever says nothing is cut when the time for the handshake is over', () =>
  whileServed(async () => {
    const before = relay.metrics().handshakeTimeouts
    const silent = new RawClient(relay.url)
    assert.equal((await gone(silent)).code, 1006)
    assert.equal(relay.metrics().handshakeTimeouts, before + 1)
    const { hostname, port } = new URL(relay.url)
    const tcp = connect(Number(port), hostname)
    tcp.on('error', () => undefined).resume()
    await new Promise((resolve) => tcp.on('close', resolve))
  }))

const garbage: [name: string, message: () => Buffer | string][] = [
  ['nothing', () => Buffer.alloc(0)],
  ['a text', () => 'hello'],
  ['a type that there is not', () => Buffer.concat([Buffer.from([14]), randomBytes(500)])],
  ['a cut varint', () => Buffer.from([0xc0, 1])],
  ['a type of 62 bits', () => Buffer.alloc(60, 0xff)],
  ['a message of the server', () => Buffer.concat([Buffer.from([6]), Buffer.alloc(60)])],
  ['a datagram without content', () => Buffer.concat([Buffer.from([4]), Buffer.alloc(33)])],
  ['a batch without content', () => Buffer.concat([Buffer.from([5]), Buffer.alloc(35)])],
  ['a ping of seven bytes', () => Buffer.concat([Buffer.from([9]), Buffer.alloc(7)])],
]

for (const [name, message] of garbage) {
  test(`${name} in place of the answer, and after it, ends the connection`, () =>
    whileServed(async () => {
      const early = new RawClient(relay.url)
      await early.next()
      early.socket.send(message())
      await gone(early)
      const late = await RawClient.connect(relay.url)
      late.socket.send(message())
      assert.match(String((await gone(late)).code), /^100[23]$/)
    }))
}

test('bytes that are no WebSocket frames end the connection', () =>
  whileServed(async () => {
    const { hostname, port } = new URL(relay.url)
    for (const bytes of [
      randomBytes(300),
      Buffer.from('GET /relay HTTP/1.1\r\nHost: x\r\n\r\n'),
      Buffer.alloc(20_000, 65),
    ]) {
      const tcp = connect(Number(port), hostname)
      tcp.on('error', () => undefined).resume()
      tcp.write(bytes)
      await new Promise((resolve) => tcp.on('close', resolve))
    }
    const client = await RawClient.connect(relay.url)
    const raw = (client.socket as unknown as { _socket: NodeJS.WritableStream })._socket
    raw.write(randomBytes(64).fill(0xff, 0, 1))
    await gone(client)
  }))

test('a message of 65,537 bytes ends the connection, one of 65,536 is passed on', () =>
  whileServed(async () => {
    const client = await RawClient.connect(relay.url)
    client.datagram(client.pair.key, Buffer.alloc(65_536 - 34))
    assert.equal((await client.nextOf(6)).length, 65_536)
    client.datagram(client.pair.key, Buffer.alloc(65_537 - 34))
    assert.equal((await gone(client)).code, 1009)
  }))

test('a message in a thousand fragments ends the connection', () =>
  whileServed(async () => {
    const client = await RawClient.connect(relay.url)
    for (let i = 0; i < 1_000; i++) client.socket.send(Buffer.from([4]), { fin: false })
    await gone(client)
  }))

test('a flood is read at the rate that is allowed, and the client is told once', () =>
  whileServed(async () => {
    const flooder = await RawClient.connect(relay.url)
    const victim = await RawClient.connect(relay.url)
    victim.onDatagram(() => undefined)
    const bytesBefore = relay.metrics().bytesReceived
    const started = performance.now()
    for (let i = 0; i < 1_200; i++) flooder.datagram(victim.pair.key, Buffer.alloc(10_000))
    assert.equal((await flooder.nextOf(13)).toString('hex'), '0d02')
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    const seconds = (performance.now() - started) / 1000
    const bytes = relay.metrics().bytesReceived - bytesBefore
    assert.ok(bytes < 2 ** 20 + seconds * 4 * 2 ** 20 + 300_000, `${bytes} bytes in ${seconds} s`)
    assert.ok(relay.metrics().rateLimited > 0)
    flooder.socket.terminate()
    victim.close()
  }))

test('a flood of pings, of the protocol and of WebSocket, by one that never reads holds no memory', () =>
  whileServed(async () => {
    const client = await RawClient.connect(relay.url)
    client.socket.pause()
    const ping = Buffer.concat([Buffer.from([9]), Buffer.alloc(8)])
    for (let i = 0; i < 20_000; i++) {
      client.socket.send(ping)
      if (i % 4 === 0) client.socket.ping(Buffer.alloc(100))
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.ok(relay.metrics().queuedBytes < QUEUE_BYTES + 100_000)
    client.socket.terminate()
  }))

test('what one that never reads is sent is dropped beyond its queue, and it is cut', () =>
  whileServed(async () => {
    const deaf = await RawClient.connect(relay.url)
    deaf.socket.pause()
    const senders = await Promise.all(Array.from({ length: 3 }, () => RawClient.connect(relay.url)))
    const before = relay.metrics()
    for (const sender of senders) {
      for (let i = 0; i < 150; i++) sender.datagram(deaf.pair.key, Buffer.alloc(60_000))
    }
    await until(() => relay.metrics().droppedQueue + relay.metrics().droppedAge > before.droppedQueue, 'drops', 20_000)
    assert.ok(relay.metrics().queuedBytes <= QUEUE_BYTES + 70_000)
    await until(() => relay.metrics().pingTimeouts > before.pingTimeouts, 'the cut', 20_000)
    // A ping or a datagram of the honest two may be on its way at any moment.
    await until(() => relay.metrics().queuedBytes === 0, 'nothing is queued')
    for (const sender of senders) sender.socket.terminate()
  }))

test('of a thousand sockets only as many are served as an address may have', () =>
  whileServed(async () => {
    const sockets = Array.from({ length: 1_000 }, () => {
      const { hostname, port } = new URL(relay.url)
      return connect(Number(port), hostname)
        .on('error', () => undefined)
        .resume()
    })
    await until(() => sockets.filter(({ destroyed, closed }) => destroyed || closed).length >= 600, 'refusals')
    assert.ok(relay.metrics().connections <= MAX_CONNECTIONS)
    for (const socket of sockets) socket.destroy()
    await until(() => relay.metrics().connections < 50, 'the sockets are forgotten')
  }))

test('of many WebSockets that prove nothing only as many are kept as an address may have', () =>
  whileServed(async () => {
    const clients = Array.from({ length: 150 }, () => new RawClient(relay.url))
    await until(() => relay.metrics().handshakes === limits.maxHandshakesPerAddress, 'handshakes')
    await Promise.all(clients.map(({ closed }) => closed))
    await until(() => relay.metrics().handshakes === 0, 'the handshakes are forgotten')
    const honestOne = await RawClient.connect(relay.url)
    honestOne.close()
  }))

test('nothing is left of all this', async () => {
  await until(() => relay.metrics().clients === 2, 'two clients', 15_000)
  const { handshakes, queuedBytes, inactiveClients } = relay.metrics()
  assert.deepEqual({ handshakes, queuedBytes, inactiveClients }, { handshakes: 0, queuedBytes: 0, inactiveClients: 0 })
})
