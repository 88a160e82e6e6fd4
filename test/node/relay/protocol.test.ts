import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RelayOptions, startRelay } from '../../../src/relay/index.js'
import { KeyPair, RawClient, until } from './raw-client.js'

const relayWith = (options: RelayOptions = {}) => startRelay({ port: 0, ...options })

test('two clients exchange datagrams, batches and congestion marks, and see who sent them', async () => {
  await using relay = await relayWith()
  const one = await RawClient.connect(relay.url)
  const two = await RawClient.connect(relay.url)
  one.datagram(two.pair.key, Buffer.from('hello'), 3)
  const datagram = await two.next()
  assert.deepEqual(datagram, Buffer.concat([Buffer.from([6]), one.pair.key, Buffer.from([3]), Buffer.from('hello')]))
  const batch = Buffer.concat([Buffer.from([5]), one.pair.key, Buffer.from([0, 0, 6]), Buffer.from('Hello World!')])
  two.socket.send(batch)
  assert.equal(
    (await one.next()).toString('hex'),
    `07${two.pair.id}000006${Buffer.from('Hello World!').toString('hex')}`,
  )
  const { messagesReceived, messagesSent, clients, accepted } = relay.metrics()
  assert.deepEqual(
    { messagesReceived, messagesSent, clients, accepted },
    { messagesReceived: 2, messagesSent: 2, clients: 2, accepted: 2 },
  )
})

test('a type in a longer encoding than it needs is understood', async () => {
  await using relay = await relayWith()
  const one = await RawClient.connect(relay.url)
  const two = await RawClient.connect(relay.url)
  one.socket.send(Buffer.concat([Buffer.from([0x40, 4]), two.pair.key, Buffer.from([0, 1])]))
  one.socket.send(Buffer.concat([Buffer.from([0x80, 0, 0, 4]), two.pair.key, Buffer.from([0, 2])]))
  one.socket.send(Buffer.concat([Buffer.from([0x40, 9]), Buffer.alloc(8, 5)]))
  assert.equal((await two.next()).toString('hex'), `06${one.pair.id}0001`)
  assert.equal((await two.next()).toString('hex'), `06${one.pair.id}0002`)
  assert.equal((await one.next()).toString('hex'), '0a0505050505050505')
})

test('datagrams for somebody who is not connected are dropped and counted', async () => {
  await using relay = await relayWith()
  const one = await RawClient.connect(relay.url)
  one.datagram(new KeyPair().key, Buffer.from('hello'))
  one.socket.send(Buffer.concat([Buffer.from([9]), Buffer.alloc(8, 7)]))
  await one.nextOf(10)
  assert.equal(relay.metrics().droppedUnknown, 1)
})

test('a client may send to itself', async () => {
  await using relay = await relayWith()
  const one = await RawClient.connect(relay.url)
  one.datagram(one.pair.key, Buffer.from('me'))
  assert.equal((await one.next()).toString('hex'), `06${one.pair.id}00${Buffer.from('me').toString('hex')}`)
})

test('both versions of the protocol are spoken, and a version that is none is refused', async () => {
  await using relay = await relayWith()
  const first = await RawClient.connect(relay.url, { protocols: ['iroh-relay-v1'] })
  assert.equal(first.socket.protocol, 'iroh-relay-v1')
  const second = await RawClient.connect(relay.url, { protocols: ['iroh-relay-v1', 'iroh-relay-v2'] })
  assert.equal(second.socket.protocol, 'iroh-relay-v2')
  const third = new RawClient(relay.url, { protocols: ['iroh-relay-v9'] })
  assert.equal((await third.closed).code, 1006)
})

test('a second connection of a key takes over, and the first is told, and healthy again when the second goes', async () => {
  await using relay = await relayWith()
  const pair = new KeyPair()
  const older = await RawClient.connect(relay.url, { pair })
  const oldest = older
  const newer = await RawClient.connect(relay.url, { pair })
  assert.equal((await older.next()).toString('hex'), '0d01')
  const sender = await RawClient.connect(relay.url)
  sender.datagram(pair.key, Buffer.from('to the newer'))
  await newer.nextOf(6)
  assert.equal(oldest.messages.length, 0)
  assert.equal(relay.metrics().inactiveClients, 1)
  newer.close()
  assert.equal((await older.next()).toString('hex'), '0d00')
  sender.datagram(pair.key, Buffer.from('to the older'))
  await older.nextOf(6)
  assert.equal(relay.metrics().inactiveClients, 0)
  assert.equal(relay.metrics().endpointsGone, 0)
})

test('version 1 has a text where version 2 has a status', async () => {
  await using relay = await relayWith()
  const pair = new KeyPair()
  const older = await RawClient.connect(relay.url, { pair, protocols: ['iroh-relay-v1'] })
  await RawClient.connect(relay.url, { pair })
  const health = await older.next()
  assert.equal(health[0], 11)
  assert.match(health.subarray(1).toString(), /same endpoint id/)
})

test('no more connections of one key than are allowed: the oldest goes', async () => {
  await using relay = await relayWith({ limits: { maxConnectionsPerKey: 2 } })
  const pair = new KeyPair()
  const oldest = await RawClient.connect(relay.url, { pair })
  await RawClient.connect(relay.url, { pair })
  await RawClient.connect(relay.url, { pair })
  assert.equal((await oldest.closed).code, 1008)
  await until(() => relay.metrics().clients === 2, 'two clients')
})

test('those who had to do with an endpoint are told when it goes, and nobody else', async () => {
  await using relay = await relayWith()
  const leaving = await RawClient.connect(relay.url)
  const sender = await RawClient.connect(relay.url)
  const receiver = await RawClient.connect(relay.url)
  const stranger = await RawClient.connect(relay.url)
  sender.datagram(leaving.pair.key, Buffer.from('a'))
  leaving.datagram(receiver.pair.key, Buffer.from('b'))
  await receiver.nextOf(6)
  await leaving.nextOf(6)
  leaving.close()
  assert.equal((await sender.nextOf(8)).toString('hex'), `08${leaving.pair.id}`)
  assert.equal((await receiver.nextOf(8)).toString('hex'), `08${leaving.pair.id}`)
  stranger.socket.send(Buffer.concat([Buffer.from([9]), Buffer.alloc(8)]))
  assert.equal((await stranger.next())[0], 10)
  assert.equal(relay.metrics().endpointsGone, 2)
})

test('an idle client is pinged, and dropped when it does not answer', async () => {
  await using relay = await relayWith({ limits: { pingIntervalMs: 300, pingTimeoutMs: 500 } })
  const mute = await RawClient.connect(relay.url)
  const alive = await RawClient.connect(relay.url)
  const answering = setInterval(() => {
    for (const ping of alive.messages.splice(0)) {
      if (ping[0] === 9) alive.socket.send(Buffer.concat([Buffer.from([10]), ping.subarray(1)]))
    }
  }, 50)
  assert.equal((await mute.nextOf(9)).length, 9)
  assert.equal((await mute.closed).code, 1006)
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  clearInterval(answering)
  assert.equal(relay.metrics().clients, 1)
  assert.equal(relay.metrics().pingTimeouts, 1)
  assert.ok(relay.metrics().pingsSent >= 3)
})

test('draining tells every client to move, serves on meanwhile, refuses new ones, and ends when the last has gone', async () => {
  const relay = await relayWith({ limits: { drainMs: 5_000 } })
  const one = await RawClient.connect(relay.url)
  const two = await RawClient.connect(relay.url)
  const started = performance.now()
  const drained = relay.drain()
  const restarting = await one.nextOf(12)
  assert.equal(restarting.length, 9)
  assert.ok(restarting.readUInt32BE(1) <= 5_000)
  assert.equal(restarting.readUInt32BE(5), 5_000)
  one.datagram(two.pair.key, Buffer.from('still'))
  await two.nextOf(6)
  assert.equal((await new RawClient(relay.url).closed).code, 1006)
  assert.equal((await fetch(`${relay.url}healthz`)).status, 503)
  one.close()
  two.close()
  await drained
  assert.ok(performance.now() - started < 4_000, 'it waited although nobody was left')
  await assert.rejects(fetch(`${relay.url}healthz`))
})

test('draining closes those who stay', async () => {
  const relay = await relayWith({ limits: { drainMs: 200 } })
  const one = await RawClient.connect(relay.url)
  await relay.drain()
  assert.equal((await one.closed).code, 1012)
})
