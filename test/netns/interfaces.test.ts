import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Network, namespacesMissing } from './namespaces.js'

const skip = namespacesMissing()

/** Without keep-alives, for the client would answer them. */
const SERVER = `
const { Peer } = await import(process.env.ANYPATH_PACKAGE)
const peer = await Peer.create({ alpns: ['watch/1'], udp: { host: '0.0.0.0' }, limits: { keepAliveMs: 0 } })
console.log(String(await peer.ticket()))
for await (const connection of peer.incoming) {
  connection.on('path', ({ change, host }) => console.log(JSON.stringify({ change, host })))
}
`

/** Never tells its peer that the network changed; says when nothing has been under way any more for two seconds. */
const CLIENT = (watchIntervalMs: number) => `
import { createInterface } from 'node:readline'
const { Peer } = await import(process.env.ANYPATH_PACKAGE)
const peer = await Peer.create({ udp: { host: '0.0.0.0', watchIntervalMs: ${watchIntervalMs} }, limits: { keepAliveMs: 0 } })
for await (const line of createInterface({ input: process.stdin })) {
  const connection = await peer.connect(line, { alpn: 'watch/1' })
  connection.closed.catch(() => {})
  const packets = async () => {
    const { packetsSent, packetsReceived } = await connection.getStats()
    return packetsSent + packetsReceived
  }
  for (let before = -1, quiet = 0; quiet < 8; ) {
    await new Promise((resolve) => setTimeout(resolve, 250))
    const now = await packets()
    quiet = now === before ? quiet + 1 : 0
    before = now
  }
  console.log('quiet')
}
`

/** Waits for the move of a path to that host; `undefined` when there is none in time. */
async function moveTo(lines: AsyncIterator<string>, host: string, withinMs: number): Promise<number | undefined> {
  const begin = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), withinMs)
  })
  const seen = async () => {
    for (;;) {
      const { value, done } = await lines.next()
      assert.ok(!done, 'the server has ended')
      const { change, host: now } = JSON.parse(value)
      if (change === 'migrated' && now === host) return performance.now() - begin
    }
  }
  const result = await Promise.race([seen(), late])
  clearTimeout(timer)
  return result
}

for (const [watchIntervalMs, title] of [
  [200, 'a connection moves by itself when the machine gets another address'],
  [0, 'and stays where it was, with nothing to say, when the watch is off'],
] as const) {
  test(title, { skip }, async () => {
    using network = new Network({})
    const server = network.spawn('right', SERVER)
    const client = network.spawn('left', CLIENT(watchIntervalMs))
    try {
      client.write((await server.lines.next()).value as string)
      assert.equal((await client.lines.next()).value, 'quiet')
      // Only a probe can tell the server of the new address.
      network.in('left', 'ip', 'address', 'add', '10.77.1.9/24', 'dev', 'eth0')
      network.in('left', 'ip', 'address', 'del', `${network.address('left')}/24`, 'dev', 'eth0')
      network.in('left', 'ip', 'address', 'replace', '10.77.1.9/24', 'dev', 'eth0')
      network.in('left', 'ip', 'route', 'replace', 'default', 'via', '10.77.1.1')
      const took = await moveTo(server.lines, '10.77.1.9', watchIntervalMs === 0 ? 3_000 : 10_000)
      if (watchIntervalMs === 0) assert.equal(took, undefined)
      else assert.ok(took !== undefined, 'the server never heard of the new address')
    } finally {
      client.stop()
      server.stop()
    }
  })
}
