import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Network, namespacesMissing } from './namespaces.js'

const skip = namespacesMissing()

/** UDP payload that fits a link's MTU over IPv4. */
const payload = (mtu: number) => mtu - 28

const SERVER = `
const { Peer } = await import(process.env.ANYPATH_PACKAGE)
const peer = await Peer.create({ alpns: ['mtu/1'], udp: { host: '0.0.0.0' } })
console.log(String(await peer.ticket()))
for await (const connection of peer.incoming) {
  void (async () => {
    for await (const stream of connection.incomingUnidirectionalStreams) {
      let bytes = 0
      for await (const chunk of stream) bytes += chunk.byteLength
      console.log(JSON.stringify({ bytes }))
    }
  })().catch(() => {})
}
`

/** Sends 2 MiB for each line on stdin, and tells what the path carries then. */
const CLIENT = `
import { createInterface } from 'node:readline'
const { Peer } = await import(process.env.ANYPATH_PACKAGE)
const peer = await Peer.create({ udp: { host: '0.0.0.0' } })
let connection
for await (const line of createInterface({ input: process.stdin })) {
  connection ??= await peer.connect(line, { alpn: 'mtu/1' })
  const stream = await connection.createUnidirectionalStream()
  const writer = stream.getWriter()
  for (let i = 0; i < 32; i++) await writer.write(new Uint8Array(65536))
  await writer.close()
  const { mtuBytes, packetsLost, blackHoles } = await connection.getStats()
  console.log(JSON.stringify({ mtuBytes, packetsLost, blackHoles }))
}
`

interface Figures {
  readonly mtuBytes: number
  readonly blackHoles: number
}

async function next<T>(lines: AsyncIterator<string>): Promise<T> {
  const { value, done } = await lines.next()
  assert.ok(!done, 'the process has ended')
  return JSON.parse(value) as T
}

async function transfers(network: Network, between: () => void = () => {}): Promise<Figures[]> {
  const server = network.spawn('right', SERVER)
  const client = network.spawn('left', CLIENT)
  try {
    const ticket = (await server.lines.next()).value as string
    const figures: Figures[] = []
    for (const after of [between, () => {}]) {
      client.write(ticket)
      assert.equal((await next<{ bytes: number }>(server.lines)).bytes, 32 * 65536)
      figures.push(await next<Figures>(client.lines))
      after()
    }
    return figures
  } finally {
    client.stop()
    server.stop()
  }
}

test('on links of 1,500 bytes packets grow to 1,452', { skip }, async () => {
  using network = new Network({})
  const [, second] = await transfers(network)
  assert.equal(second?.mtuBytes, 1452)
})

test('a link of 1,280 bytes at this host bounds the packets from the start', { skip }, async () => {
  using network = new Network({ leftMtu: 1280, rightMtu: 1280 })
  const figures = await transfers(network)
  for (const { mtuBytes } of figures) assert.ok(mtuBytes <= payload(1280), `packets of ${mtuBytes} bytes`)
})

test('a narrow link that tells nobody only costs probes', { skip }, async () => {
  using network = new Network({ rightMtu: 1280 })
  network.dropIcmp()
  const [, second] = await transfers(network)
  assert.ok(second && second.mtuBytes >= 1200 && second.mtuBytes <= payload(1280), JSON.stringify(second))
})

test('a link that becomes narrow in mid-connection and tells nobody is a black hole that is found', {
  skip,
}, async () => {
  using network = new Network({})
  network.dropIcmp()
  const [first, second] = await transfers(network, () => network.setMtu(1280))
  assert.equal(first?.mtuBytes, 1452)
  assert.ok(second && second.blackHoles > 0 && second.mtuBytes <= payload(1280), JSON.stringify(second))
})
