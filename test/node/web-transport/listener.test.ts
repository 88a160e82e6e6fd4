import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Peer } from '../../../src/entry/node.js'
import { InvalidConfigError, type PeerClosedError } from '../../../src/index.js'

const LOOPBACK = { host: '127.0.0.1' }

test('what browsers know a peer by follows from its key and outlives a restart', async () => {
  const hashesOf = async (secretKey: string) => {
    const peer = await Peer.create({ secretKey, webTransport: true, udp: LOOPBACK })
    const hashes = await peer.webTransportSessions.certificateHashes()
    await peer.close()
    return hashes
  }
  const [first, again, other] = [
    await hashesOf('11'.repeat(32)),
    await hashesOf('11'.repeat(32)),
    await hashesOf('22'.repeat(32)),
  ]
  assert.deepEqual(first, again)
  assert.equal(first.length, 2)
  const [now, next] = first
  assert.ok(now && next && other[0])
  assert.equal(now.algorithm, 'sha-256')
  assert.equal(now.value.length, 32)
  assert.notDeepEqual(now.value, next.value)
  assert.notDeepEqual(now.value, other[0].value)
  assert.ok(now.shownFrom.getTime() <= Date.now() && Date.now() < now.shownUntil.getTime())
  assert.equal(next.shownFrom.getTime(), now.shownUntil.getTime())
  assert.equal(now.shownUntil.getTime() - now.shownFrom.getTime(), 12 * 86_400_000)
})

test('a peer that does not listen has no certificates, and says so', async () => {
  const peer = await Peer.create({ udp: LOOPBACK })
  await assert.rejects(peer.webTransportSessions.certificateHashes(), InvalidConfigError)
  await peer.close()
})

test('the sessions of a peer end with it', async () => {
  const peer = await Peer.create({ webTransport: true, udp: LOOPBACK })
  const taken = peer.webTransportSessions[Symbol.asyncIterator]().next()
  await peer.close()
  assert.deepEqual(await taken, { done: true, value: undefined })
  const late = peer.webTransportSessions.certificateHashes()
  await assert.rejects(late, (error: PeerClosedError) => error.code === 'PeerClosed')
})

test('peers connect as before where browsers are listened for', async () => {
  const [listener, dialler] = [
    await Peer.create({ alpns: ['test/1'], webTransport: { maxSessions: 3 }, udp: LOOPBACK }),
    await Peer.create({ udp: LOOPBACK }),
  ]
  try {
    const connection = await dialler.connect(await listener.ticket(), { alpn: 'test/1' })
    assert.equal(connection.remoteId, listener.id)
    await listener.incoming[Symbol.asyncIterator]().next()
    const stats = await listener.stats()
    assert.deepEqual([stats.accepted, stats.webTransportSessions, stats.webTransportAccepted], [1, 0, 0])
  } finally {
    await dialler.close()
    await listener.close()
  }
})

test('a peer that listens for browsers alone serves no peers', async () => {
  const listener = await Peer.create({ webTransport: true, udp: LOOPBACK })
  const dialler = await Peer.create({ udp: LOOPBACK })
  try {
    const dialled = dialler.connect(await listener.ticket(), { alpn: 'test/1', timeoutMs: 5000 })
    await assert.rejects(dialled, (error: Error & { code: string }) => error.code === 'AlpnNotServed')
  } finally {
    await dialler.close()
    await listener.close()
  }
})

test('settings that can not be are named', async () => {
  const cases: [unknown, RegExp][] = [
    ['yes', /^webTransport: must be true, false or an object/],
    [{ maxSessions: 0 }, /^webTransport\.maxSessions: must be a whole number from 1/],
    [{ origins: 'https://example.com' }, /^webTransport\.origins: must be an array of texts/],
    [{ origins: [1] }, /^webTransport\.origins: must be an array of texts/],
    [{ port: 443 }, /^webTransport\.port: there is no such setting/],
  ]
  for (const [webTransport, message] of cases) {
    await assert.rejects(Peer.create({ webTransport: webTransport as boolean, udp: LOOPBACK }), { message })
  }
  const limits = { datagramReceiveBufferBytes: 0 }
  await assert.rejects(Peer.create({ webTransport: true, limits, udp: LOOPBACK }), InvalidConfigError)
})
