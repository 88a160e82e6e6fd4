// Streams: 100 requests at once on one connection, each on a stream of its own, and a stream in one direction.

import { Peer } from 'anypath'

const ALPN = 'anypath-demo/streams/1'
const loopback = { host: '127.0.0.1' }
const encoder = new TextEncoder()

const server = await Peer.create({ alpns: [ALPN], udp: loopback })
const served = serveOne(server)

const client = await Peer.create({ udp: loopback })
const connection = await client.connect(await server.ticket(), { alpn: ALPN })

const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(connection, `request ${i}`)))
console.log(`${answers.length} answers; the last: ${answers.at(-1)}`)

const news = await connection.createUnidirectionalStream({ sendOrder: 10 })
const writer = news.getWriter()
await writer.write(encoder.encode('no answer expected'))
// Resolves when the other side has acknowledged everything.
await writer.close()

await client.close()
await served
await server.close()

async function ask(connection, question) {
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  await writer.write(encoder.encode(question))
  await writer.close()
  return textOf(readable)
}

/** Serves the first connection until it is closed. */
async function serveOne(peer) {
  for await (const connection of peer.incoming) {
    answerAll(connection)
    for await (const stream of connection.incomingUnidirectionalStreams) {
      console.log(`news for the server: ${await textOf(stream)}`)
    }
    return
  }
}

async function answerAll(connection) {
  for await (const { readable, writable } of connection.incomingBidirectionalStreams) answer(readable, writable)
}

async function answer(readable, writable) {
  const question = await textOf(readable)
  const writer = writable.getWriter()
  await writer.write(encoder.encode(question.toUpperCase()))
  await writer.close()
}

async function textOf(readable) {
  let text = ''
  for await (const part of readable.pipeThrough(new TextDecoderStream())) text += part
  return text
}
