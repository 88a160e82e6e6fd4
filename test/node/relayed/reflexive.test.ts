import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Peer, type PeerOptions } from '../../../src/entry/node.js'
import { startStun } from '../../../src/relay/stun.js'

const LIMIT = { timeout: 60_000 }

async function asking(context: TestContext, options: PeerOptions) {
  const server = await startStun({ host: '127.0.0.1', port: 0 })
  context.after(() => server.close())
  const peer = await Peer.create({
    udp: { host: '127.0.0.1' },
    stunServers: [`stun:127.0.0.1:${server.port}`],
    ...options,
  })
  context.after(() => peer.close())
  return { peer, server }
}

const answered = async ({ server }: Awaited<ReturnType<typeof asking>>, atLeast: number): Promise<void> => {
  while ((await server.counts()).answered < atLeast) await new Promise((resolve) => setTimeout(resolve, 20))
}

test('a peer asks its STUN servers at the start and when the network changes', LIMIT, async (context) => {
  const both = await asking(context, {})
  await answered(both, 1)
  both.peer.networkChanged()
  await answered(both, 2)
})

test('a peer that wants no direct paths asks no STUN server', LIMIT, async (context) => {
  const quiet = await asking(context, { directPaths: false })
  const loud = await asking(context, {})
  await answered(loud, 1)
  assert.equal((await quiet.server.counts()).answered, 0)
})

test('a server that is none fails the start, and leaves nothing open', async () => {
  await assert.rejects(Peer.create({ stunServers: ['stun.example:port'] }), { code: 'InvalidConfig' })
})
