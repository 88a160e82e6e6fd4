import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { mappingLifetime } from '../../../src/diagnose/lifetime.node.js'
import { StunSocket } from '../../../src/diagnose/stun-socket.node.js'
import { Peer } from '../../../src/entry/node.js'
import { startStun } from '../../../src/relay/stun.js'

async function bench(context: TestContext) {
  const server = await startStun({ port: 0 })
  context.after(() => server.close())
  const sockets: StunSocket[] = []
  context.after(() => {
    for (const socket of sockets) socket.close()
  })
  const open = async () => {
    const socket = await StunSocket.open('127.0.0.1', { sent: 0, answered: 0, forged: 0, malformed: 0 })
    sockets.push(socket)
    return socket
  }
  return { address: { host: '127.0.0.1', port: server.port }, open, sockets }
}

test('where nothing is forgotten, mappings live at least as long as they were watched', async (context) => {
  const { address, open } = await bench(context)
  const found = await mappingLifetime(open, address, 400, new AbortController().signal)
  assert.deepEqual(found, { atLeastMs: 400 })
})

test('a socket that is not reached after a silence tells when its mapping was gone', async (context) => {
  const { address, open, sockets } = await bench(context)
  // Of seven sockets that are watched, the last three go as their mappings would: after 250 ms of silence.
  const found = mappingLifetime(open, address, 800, new AbortController().signal)
  while (sockets.length < 8) await new Promise((resolve) => setTimeout(resolve, 5))
  setTimeout(() => {
    for (const socket of sockets.slice(-3)) socket.close()
  }, 250)
  assert.deepEqual(await found, { atLeastMs: 200, belowMs: 400 })
})

test('a silent server, and a signal, end it with nothing known', async (context) => {
  const { address, open } = await bench(context)
  assert.equal(
    await mappingLifetime(open, { host: '127.0.0.1', port: 9 }, 400, new AbortController().signal),
    undefined,
  )
  const end = new AbortController()
  const found = mappingLifetime(open, address, 600_000, end.signal)
  setTimeout(() => end.abort(), 100)
  assert.equal(await found, undefined)
})

test('a time that can not be watched is refused', async (context) => {
  const peer = await Peer.create({ udp: { host: '127.0.0.1' } })
  context.after(() => peer.close())
  for (const lifetimeMs of [-1, 999, 600_001, Number.NaN])
    await assert.rejects(peer.diagnose({ lifetimeMs }), { code: 'InvalidArgument' })
})
