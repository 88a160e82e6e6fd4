import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namespacesMissing, Segment } from '../netns/namespaces.js'
import { IrohPeer, skipStock } from './stock-peers.js'

const ALPN = 'anypath-test/1'
const BYTES = 100_000
const LIMIT = { skip: skipStock || namespacesMissing(), timeout: 120_000 }

/** Dials the id of each line, and echoes to whoever dials it. */
const PEER = `
import { createInterface } from 'node:readline'
const { Peer } = await import(process.env.ANYPATH_PACKAGE)
const { lanDiscovery } = await import(new URL('lan.mjs', process.env.ANYPATH_PACKAGE))
const peer = await Peer.create({ alpns: ['${ALPN}'], discovery: [lanDiscovery()] })
console.log(peer.id)
const ignore = () => {}
async function echo(connection) {
  connection.closed.catch(ignore)
  void (async () => {
    for await (const { readable, writable } of connection.incomingBidirectionalStreams) readable.pipeTo(writable).catch(ignore)
  })().catch(ignore)
  for await (const readable of connection.incomingUnidirectionalStreams)
    readable.pipeTo(await connection.createUnidirectionalStream()).catch(ignore)
}
void (async () => {
  for await (const connection of peer.incoming) echo(connection).catch(ignore)
})()
for await (const line of createInterface({ input: process.stdin })) {
  const connection = await peer.connect(line, { alpn: '${ALPN}' })
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  const sent = crypto.getRandomValues(new Uint8Array(60_000))
  writer.write(sent).then(() => writer.close()).catch(ignore)
  const back = Buffer.concat(await all(readable))
  console.log(JSON.stringify({ remoteId: connection.remoteId, same: back.equals(sent), kind: connection.paths[0].kind }))
}
async function all(readable) {
  const chunks = []
  for await (const chunk of readable) chunks.push(chunk)
  return chunks
}
`

/** A stock peer is told of no address and no server: mDNS is all that it has. */
const STOCK = ['--alpn', ALPN, '--mdns', '--bind', '0.0.0.0:0', '--bind', '[::]:0']

for (const families of [[4], [6]] as const) {
  const link = `a link with IPv${families[0]}`

  test(`our peer finds stock iroh by its id alone on ${link}, and dials it`, LIMIT, async () => {
    using segment = new Segment(families)
    await using stock = new IrohPeer(['listen', ...STOCK], segment.name('right'))
    const ours = segment.spawn('left', PEER)
    try {
      const id: string = (await ours.lines.next()).value
      const { id: stockId = '' } = await stock.report('listening')
      ours.write(stockId)
      const told = JSON.parse((await ours.lines.next()).value)
      assert.deepEqual(told, { remoteId: stockId, same: true, kind: 'udp' })
      assert.equal((await stock.report('connection')).remote_id, id)
    } finally {
      ours.stop()
    }
  })

  test(`stock iroh finds our peer by its id alone on ${link}, and dials it`, LIMIT, async () => {
    using segment = new Segment(families)
    const ours = segment.spawn('left', PEER)
    try {
      const id: string = (await ours.lines.next()).value
      const target = ['--id', id, '--bytes', String(BYTES), '--datagrams', '0']
      await using stock = new IrohPeer(['dial', ...STOCK, ...target], segment.name('right'))
      const checked = await stock.report('checked')
      assert.equal(checked.remote_id, id)
      assert.equal(checked.bytes, BYTES)
      assert.equal(await stock.exitCode(), 0)
    } finally {
      ours.stop()
    }
  })
}
