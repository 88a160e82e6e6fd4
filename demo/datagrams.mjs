// Datagrams: small messages that are neither repeated nor ordered, as games and sensors want them.

import { Peer } from 'anypath'

const ALPN = 'anypath-demo/datagrams/1'
const COUNT = 1000
const loopback = { host: '127.0.0.1' }

const server = await Peer.create({ alpns: [ALPN], udp: loopback })
const client = await Peer.create({ udp: loopback })
const seen = countAt(server)

const connection = await client.connect(await server.ticket(), { alpn: ALPN })
console.log(`a datagram has at most ${connection.datagrams.maxDatagramSize} bytes on this path`)
for (let i = 0; i < COUNT; i++) {
  await connection.datagrams.send(Uint8Array.of(i >> 8, i & 255))
  // Datagrams have no flow control: whoever sends too fast loses some.
  if (i % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 5))
}
// Nothing says that a datagram is the last one, so this waits a little.
await new Promise((resolve) => setTimeout(resolve, 300))
connection.close()
console.log(`${await seen} of ${COUNT} arrived`)

await client.close()
await server.close()

async function countAt(peer) {
  const numbers = new Set()
  for await (const connection of peer.incoming) {
    for await (const bytes of connection.datagrams.readable) numbers.add((bytes[0] << 8) | bytes[1])
    return numbers.size
  }
}
