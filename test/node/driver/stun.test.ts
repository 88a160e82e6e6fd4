import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UdpTransport } from '../../../src/transport/udp.node.js'
import { bindingRequest, StunClient } from '../stun-client.js'
import { connected, endpoint, loopback } from './pair.js'

async function client(context: { after(close: () => Promise<void>): void }, host?: string): Promise<StunClient> {
  const opened = await StunClient.open(host)
  context.after(() => opened.close())
  return opened
}

test('the socket of a peer tells a STUN client its address, beside connections', async (context) => {
  const [server, peer] = [await loopback(context, { stun: true }), await loopback(context)]
  const stun = await client(context)
  const port = (await server.engine.localAddresses())[0]?.port ?? 0
  const before = await stun.ask('127.0.0.1', port)
  assert.deepEqual(before, {
    type: 0x0101,
    host: '127.0.0.1',
    port: stun.port,
    errorCode: undefined,
    unknown: [],
    hasFingerprint: true,
    bytes: 40,
  })
  await connected(peer, server)
  assert.equal((await stun.ask('127.0.0.1', port))?.port, stun.port)
  const { stunAnswered, stunLimited, malformedDropped } = await server.engine.peerStats()
  assert.deepEqual([stunAnswered, stunLimited, malformedDropped], [2, 0, 0])
})

test('a dual-stack socket tells an IPv4 client its IPv4 address, and an IPv6 client its IPv6 one', async (context) => {
  const udp = new UdpTransport({ host: '::' })
  const server = await endpoint(context, { transports: [udp], stun: true })
  const port = (await server.engine.localAddresses())[0]?.port ?? 0
  const v4 = await client(context)
  const answer = await v4.ask('127.0.0.1', port)
  assert.deepEqual([answer?.host, answer?.port], ['127.0.0.1', v4.port])
  const v6 = await client(context, '::1').catch(() => undefined)
  if (v6 === undefined) return context.skip('this machine has no IPv6')
  const answer6 = await v6.ask('::1', port)
  assert.deepEqual([answer6?.host, answer6?.port], ['00000000000000000000000000000001', v6.port])
})

test('an attribute that has to be understood and is not gets the error 420, and names it', async (context) => {
  const server = await loopback(context, { stun: true })
  const stun = await client(context)
  const port = (await server.engine.localAddresses())[0]?.port ?? 0
  const answer = await stun.ask('127.0.0.1', port, Buffer.from('0003000400000006', 'hex'))
  assert.deepEqual([answer?.type, answer?.errorCode, answer?.unknown], [0x0111, 420, [3]])
})

test('a peer answers no STUN unless it is told to', async (context) => {
  const server = await loopback(context)
  const stun = await client(context)
  const port = (await server.engine.localAddresses())[0]?.port ?? 0
  assert.equal(await stun.ask('127.0.0.1', port, undefined, 300), undefined)
  const { stunAnswered, malformedDropped } = await server.engine.peerStats()
  assert.deepEqual([stunAnswered, malformedDropped], [0, 1])
})

test('a flood from one address is answered in part, counted, and leaves connections their service', async (context) => {
  const [server, peer] = [await loopback(context, { stun: true }), await loopback(context)]
  const stun = await client(context)
  const port = (await server.engine.localAddresses())[0]?.port ?? 0
  const started = performance.now()
  for (let sent = 0; sent < 2_000; sent++) {
    stun.send(bindingRequest(), '127.0.0.1', port)
    if (sent % 100 === 99) await new Promise((resolve) => setImmediate(resolve))
  }
  await connected(peer, server)
  const seconds = (performance.now() - started) / 1000
  const { stunAnswered, stunLimited, memoryBytes } = await server.engine.peerStats()
  assert.ok(stunAnswered >= 200 && stunAnswered <= 201 + 100 * seconds, `${stunAnswered} answered in ${seconds} s`)
  // What the system's buffer did not take never arrived.
  assert.ok(stunLimited > 0 && stunAnswered + stunLimited <= 2_000, `${stunLimited} limited`)
  assert.ok(memoryBytes < 32 << 20)
})
