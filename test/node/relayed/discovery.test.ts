import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Connection,
  NoAddressError,
  Peer,
  type PeerOptions,
  pkarrDiscovery,
  pkarrPublisher,
} from '../../../src/entry/node.js'
import { ALPN, echo, readAll, relayedPeer, relayOf } from './relay-pair.js'

async function udpPeer(context: TestContext, options: PeerOptions): Promise<Peer> {
  const peer = await Peer.create({ udp: { host: '127.0.0.1' }, ...options })
  context.after(() => peer.close())
  return peer
}

/** Dials by nothing but the id, again and again until it is published. */
async function found(dialler: Peer, id: string): Promise<Connection> {
  for (let tries = 0; ; tries++) {
    try {
      return await dialler.connect(id, { alpn: ALPN })
    } catch (thrown) {
      if (!(thrown instanceof NoAddressError) || tries > 100) throw thrown
      await sleep(50)
    }
  }
}

async function echoed(connection: Connection, text: string): Promise<string> {
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  await writer.write(new TextEncoder().encode(text))
  const [, answer] = await Promise.all([writer.close(), readAll(readable)])
  return new TextDecoder().decode(answer)
}

/** Whether the relay has addresses of a peer: what a dial by the id finds out. */
async function isUnknown(context: TestContext, url: string, id: string): Promise<boolean> {
  const peer = await relayedPeer(context, [url], { discovery: [pkarrDiscovery({ url })] })
  await peer.online()
  try {
    const connection = await peer.connect(id, { alpn: ALPN, timeoutMs: 1000 })
    connection.close()
    return false
  } catch (thrown) {
    return thrown instanceof NoAddressError
  }
}

test('a peer behind a relay is dialled by its id alone, and is not to be found once it is closed', async (context) => {
  const { url } = await relayOf(context)
  const acceptor = await relayedPeer(context, [url], { discovery: [pkarrPublisher({ url })] })
  void echo(acceptor)
  const dialler = await relayedPeer(context, [url], { discovery: [pkarrDiscovery({ url })] })
  await dialler.online()
  const connection = await found(dialler, acceptor.id)
  assert.equal(connection.remoteId, acceptor.id)
  assert.equal(await echoed(connection, 'hello'), 'hello')
  assert.equal(connection.paths[0]?.kind, 'relay')
  await acceptor.close()
  assert.equal(await isUnknown(context, url, acceptor.id), true)
})

test('a peer that publishes all addresses is dialled by its id without any relay', async (context) => {
  const { url } = await relayOf(context)
  const publisher = pkarrPublisher({ url, publish: 'all', userData: 'room 7' })
  const acceptor = await udpPeer(context, { alpns: [ALPN], discovery: [publisher] })
  void echo(acceptor)
  const dialler = await udpPeer(context, { discovery: [pkarrDiscovery({ url })] })
  const connection = await found(dialler, acceptor.id)
  assert.equal(await echoed(connection, 'hello'), 'hello')
  assert.equal(connection.paths[0]?.kind, 'udp')
})

test('a peer without a connected relay publishes none of its addresses', async (context) => {
  const { url } = await relayOf(context)
  const acceptor = await udpPeer(context, { alpns: [ALPN], discovery: [pkarrPublisher({ url })] })
  await sleep(200)
  assert.equal(await isUnknown(context, url, acceptor.id), true)
})
