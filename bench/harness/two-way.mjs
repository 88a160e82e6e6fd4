// The Node side of `pages/two-way.js`: a peer that listens for browsers, in a process of its own. Its argument is the package's file.
import { pathToFileURL } from 'node:url'

const { Peer } = await import(pathToFileURL(process.argv[2]).href)
const peer = await Peer.create({ alpns: ['bench/1'], webTransport: true, udp: { host: '127.0.0.1' } })

async function answer({ readable, writable }) {
  const writer = writable.getWriter()
  let head
  for await (const bytes of readable) head ??= bytes
  const view = new DataView(head.buffer, head.byteOffset)
  const chunk = new Uint8Array(65_536)
  for (let left = view.getUint8(0) === 1 ? view.getFloat64(1) : 1; left > 0; left -= chunk.length) {
    await writer.write(left < chunk.length ? chunk.subarray(0, left) : chunk)
  }
  await writer.close()
}

async function serve(all) {
  for await (const each of all) {
    void (async () => {
      for await (const stream of each.incomingBidirectionalStreams) answer(stream).catch(() => {})
    })().catch(() => {})
  }
}
void serve(peer.incoming)
void serve(peer.webTransportSessions)

const ticket = await peer.ticket()
const { host, port } = ticket.addresses.find(({ kind }) => kind === 'ip')
const hashes = (await peer.webTransportSessions.certificateHashes()).map(({ value }) => [...value])
process.send({ ticket: String(ticket), url: `https://${host}:${port}/bench`, hashes })
process.on('disconnect', () => process.exit())
