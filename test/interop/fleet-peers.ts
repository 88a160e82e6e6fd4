/**
 * Two peers of a fleet, in a process of their own, so that NODE_EXTRA_CA_CERTS can name whom they trust: one publishes itself, the other finds it
 * by its key alone. Reports in JSON what they saw.
 *
 * Told as its only argument: `{ relays, records, alpn, bytes }`.
 */
import { Peer, type PeerOptions, pkarrDiscovery, pkarrPublisher } from '../../src/entry/node.js'
import { echoAll, exchange } from './exchange.js'

const {
  relays,
  records: url,
  alpn,
  bytes,
} = JSON.parse(process.argv[2] ?? '') as {
  readonly relays: NonNullable<PeerOptions['relays']>
  readonly records: string
  readonly alpn: string
  readonly bytes: number
}
const common = { transports: [], alpns: [alpn], relays }
const acceptor = await Peer.create({ ...common, discovery: [pkarrPublisher({ url })] })
void echoAll(acceptor)
await acceptor.online({ timeoutMs: 30_000 })
const dialler = await Peer.create({ ...common, discovery: [pkarrDiscovery({ url })] })
await dialler.online({ timeoutMs: 30_000 })
const connection = await connectOncePublished()
await exchange(connection, bytes)
console.log(
  JSON.stringify({
    remoteIsRight: connection.remoteId === acceptor.id,
    relay: acceptor.relay?.url,
    path: connection.paths[0]?.relay,
  }),
)
await dialler.close()
await acceptor.close()

async function connectOncePublished() {
  for (let tries = 0; ; tries++) {
    try {
      return await dialler.connect(acceptor.id, { alpn, timeoutMs: 30_000 })
    } catch (thrown) {
      if (tries > 600 || (thrown as { code?: string }).code !== 'NoAddress') throw thrown
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
