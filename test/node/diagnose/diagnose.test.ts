import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { type TestContext, test } from 'node:test'
import { Peer } from '../../../src/entry/node.js'
import type { PeerOptions } from '../../../src/index.js'
import { startStun } from '../../../src/relay/stun.js'

async function peerOn(context: TestContext, options: PeerOptions): Promise<Peer> {
  const peer = await Peer.create({ udp: { host: '127.0.0.1' }, ...options })
  context.after(() => peer.close())
  return peer
}

/** A UDP socket that does with each datagram what it is told. */
async function server(
  context: TestContext,
  answer: (message: Buffer, source: dgram.RemoteInfo, socket: dgram.Socket) => void,
): Promise<number> {
  const socket = dgram.createSocket('udp4')
  context.after(() => new Promise<void>((resolve) => socket.close(() => resolve())))
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  socket.on('message', (message, source) => answer(message, source, socket))
  return socket.address().port
}

/** The answer that tells a client a port of 127.0.0.1. */
function bindingAnswer(request: Buffer, port: number): Buffer {
  const answer = Buffer.concat([request.subarray(0, 20), Buffer.from('000100080001', 'hex'), Buffer.alloc(6)])
  answer.writeUInt16BE(0x0101, 0)
  answer.writeUInt16BE(12, 2)
  answer.writeUInt16BE(port, 26)
  Buffer.from([127, 0, 0, 1]).copy(answer, 28)
  return answer
}

test('a peer finds by two servers that nothing is translated, and says what only others could tell', async (context) => {
  const servers = [await startStun({ port: 0 }), await startStun({ port: 0 })]
  for (const one of servers) context.after(() => one.close())
  const peer = await peerOn(context, { stunServers: servers.map(({ port }) => `127.0.0.1:${port}`) })
  const { udp, ipv4, ipv6, stunServers, relays, local, findings, stun, elapsedMs } = await peer.diagnose()
  assert.equal(udp, 'works')
  assert.deepEqual(
    [ipv4?.translated, ipv4?.ports, ipv4?.addresses, ipv6],
    [false, 'preserved', ['127.0.0.1'], undefined],
  )
  assert.deepEqual([ipv4?.mapping, ipv4?.filtering], ['unknown', 'unknown'])
  assert.deepEqual(
    stunServers.map(({ port, mapped }) => [port, mapped?.host]),
    servers.map(({ port }) => [port, '127.0.0.1']),
  )
  assert.deepEqual([local.length, relays.length], [1, 0])
  assert.notEqual(stunServers[0]?.mapped?.port, local[0]?.port, 'the peer’s own socket is left alone')
  assert.deepEqual(findings.map(({ code }) => code).sort(), ['no-other-address', 'no-relay', 'one-stun-address'])
  assert.deepEqual([stun.answered >= 3, stun.forged, stun.malformed], [true, 0, 0])
  assert.ok(elapsedMs > 0)
})

test('answers with another transaction, from elsewhere, or that are none, are counted and not believed', async (context) => {
  const stranger = dgram.createSocket('udp4')
  context.after(() => new Promise<void>((resolve) => stranger.close(() => resolve())))
  const port = await server(context, (message, source, socket) => {
    const other = Buffer.from(message)
    other[19] = (other[19] ?? 0) ^ 1
    socket.send(bindingAnswer(other, 1), source.port, source.address)
    socket.send('no STUN', source.port, source.address)
    stranger.send(bindingAnswer(message, 2), source.port, source.address, () => {
      // After the forgeries, so that believing one of them would show.
      setTimeout(() => socket.send(bindingAnswer(message, source.port), source.port, source.address), 50)
    })
  })
  const peer = await peerOn(context, { stunServers: [`127.0.0.1:${port}`] })
  const { stun, stunServers, findings, ipv4 } = await peer.diagnose()
  assert.equal(ipv4?.ports, 'preserved', JSON.stringify(stunServers))
  assert.ok(stun.forged >= 2 && stun.malformed >= 1, JSON.stringify(stun))
  assert.ok(findings.some(({ code }) => code === 'forged-answers'))
})

test('where nobody answers, time and what is known are bounded', async (context) => {
  const port = await server(context, () => {})
  const peer = await peerOn(context, { stunServers: [`127.0.0.1:${port}`] })
  const { udp, ipv4, findings, stunServers, elapsedMs } = await peer.diagnose({ timeoutMs: 1000 })
  assert.deepEqual([udp, ipv4, stunServers], ['unknown', undefined, [{ host: '127.0.0.1', port }]])
  assert.deepEqual(findings.map(({ code }) => code).sort(), ['cut-short', 'no-relay', 'stun-silent'])
  assert.ok(elapsedMs >= 900, `${elapsedMs} ms`)
})

test('a server that tells of an address where nobody can be is as good as silent', async (context) => {
  for (const [host, port] of [
    ['127.0.0.1', 0],
    ['224.0.0.1', 9],
    ['0.0.0.0', 9],
    ['255.255.255.255', 9],
  ] as const) {
    const at = await server(context, (message, source, socket) => {
      const answer = bindingAnswer(message, port)
      Buffer.from(host.split('.').map(Number)).copy(answer, 28)
      socket.send(answer, source.port, source.address)
    })
    const peer = await peerOn(context, { stunServers: [`127.0.0.1:${at}`] })
    const { ipv4, stunServers } = await peer.diagnose({ timeoutMs: 2000 })
    assert.deepEqual([ipv4, stunServers], [undefined, [{ host: '127.0.0.1', port: at }]], `${host}:${port}`)
  }
})

test('without a server to ask it says so', async (context) => {
  const peer = await peerOn(context, {})
  const { udp, findings, remotes } = await peer.diagnose()
  assert.equal(udp, 'unknown')
  assert.deepEqual(findings.map(({ code }) => code).sort(), ['no-relay', 'no-stun-server'])
  assert.equal(remotes.find(({ remote }) => remote === 'open')?.outcome, 'direct')
})

test('a signal ends it with its reason, and wrong times and closed peers are refused', async (context) => {
  const port = await server(context, () => {})
  const peer = await peerOn(context, { stunServers: [`127.0.0.1:${port}`] })
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  await assert.rejects(peer.diagnose({ signal }), { code: 'Aborted', cause: reason })
  const controller = new AbortController()
  const running = peer.diagnose({ signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(running, { code: 'Aborted', cause: reason })
  for (const timeoutMs of [0, 999, 60_001, Number.NaN])
    await assert.rejects(peer.diagnose({ timeoutMs }), { code: 'InvalidArgument' })
  await peer.close()
  await assert.rejects(peer.diagnose(), { code: 'PeerClosed' })
})

test('on the attached side of a port it is refused by type', async (context) => {
  const peer = await peerOn(context, {})
  const { port1, port2 } = new MessageChannel()
  peer.serve(port1)
  const attached = await Peer.attach(port2)
  context.after(() => attached.close())
  await assert.rejects(attached.diagnose(), { code: 'InvalidConfig' })
})
