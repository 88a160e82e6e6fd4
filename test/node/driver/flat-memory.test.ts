// time limit: 600 s
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ALPN, connected, type Endpoint, loopback } from './pair.js'

const MIB = 1 << 20

interface Used {
  /** Of JavaScript after a collection, without the cores' memory, which counts as external too. */
  readonly heap: number
  /** Of each core. */
  readonly cores: readonly number[]
}

/** Bytes that are really in use. */
async function used(...endpoints: Endpoint[]): Promise<Used> {
  for (const { events } of endpoints) events.length = 0
  await sleep(20)
  globalThis.gc?.()
  await sleep(20)
  globalThis.gc?.()
  const cores = await Promise.all(endpoints.map(async ({ engine }) => (await engine.peerStats()).memoryBytes))
  const { heapUsed, external } = process.memoryUsage()
  return { heap: heapUsed + external - cores.reduce((sum, bytes) => sum + bytes, 0), cores }
}

function assertFlat(before: Used, after: Used): void {
  const text = JSON.stringify({ before, after })
  assert.ok(after.heap - before.heap < MIB, text)
  for (const [index, bytes] of after.cores.entries()) assert.ok(bytes - (before.cores[index] ?? 0) < MIB, text)
}

const collects = { skip: globalThis.gc ? false : 'needs --expose-gc' }

test('10,000 failed dials leave the memory as it was after the first hundred', collects, async (context) => {
  const client = await loopback(context, { limits: { handshakeTimeoutMs: 300 } })
  const silent = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  context.after(() => silent.close())
  await new Promise((resolve) => silent.once('listening', resolve))
  const addresses = [{ carrier: 0, host: '127.0.0.1', port: silent.address().port }]
  const other = await loopback(context)
  const dials = async (count: number): Promise<void> => {
    const request = { remoteId: other.engine.endpointId, alpn: ALPN, addresses, relays: [], earlyData: false }
    const connections = await Promise.all(Array.from({ length: count }, () => client.engine.connect(request)))
    for (const connection of connections) {
      assert.equal((await client.event('closed', connection)).code, 10)
      await client.event('drained', connection)
    }
    client.events.length = 0
  }
  await dials(100)
  await dials(100)
  const before = await used(client)
  for (let round = 0; round < 98; round++) await dials(100)
  assertFlat(before, await used(client))
  assert.equal((await client.engine.peerStats()).connections, 0)
})

test(
  '1,000 opened and closed connections leave the memory as it was after the first hundred',
  collects,
  async (context) => {
    const [client, server] = [await loopback(context), await loopback(context)]
    const connections = async (count: number): Promise<void> => {
      for (let round = 0; round < count; round++) {
        const { c, s } = await connected(client, server)
        const stream = await client.engine.openStream(c, true)
        const sent = client.writeAll(c, stream, 10_000)
        await server.event('stream', s)
        assert.deepEqual(await server.readAll(s, stream), await sent)
        client.engine.closeConnection(c, 0, 'done')
        await Promise.all([server.event('closed', s), client.event('closed', c)])
        client.events.length = 0
        server.events.length = 0
      }
      // Closed connections stay for three probe timeouts (RFC 9000 section 10.2).
      while ((await client.engine.peerStats()).connections + (await server.engine.peerStats()).connections > 0)
        await sleep(20)
    }
    await connections(100)
    const before = await used(client, server)
    await connections(900)
    assertFlat(before, await used(client, server))
  },
)
