// A chat of two: lines that one side types appear at the other.
//
//   node demo/chat.mjs              prints a ticket and waits
//   node demo/chat.mjs TICKET       dials it
//   --host ADDRESS                  listen on this address instead of loopback

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { Peer } from 'anypath'

const ALPN = 'anypath-demo/chat/1'
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { host: { type: 'string', default: '127.0.0.1' } },
})
const [ticket] = positionals

const peer = await Peer.create({ alpns: ticket === undefined ? [ALPN] : [], udp: { host: values.host } })
const { connection, stream } = ticket === undefined ? await waitForOne() : await dial(ticket)
console.log(`Talking with ${connection.remoteId}. Ctrl-D ends.`)
await Promise.all([sendLines(stream.writable), showLines(stream.readable)])
await peer.close()

async function waitForOne() {
  console.log(`Waiting. At the other side: node demo/chat.mjs ${await peer.ticket()}`)
  for await (const connection of peer.incoming) {
    const { value: stream } = await connection.incomingBidirectionalStreams.getReader().read()
    return { connection, stream }
  }
}

async function dial(ticket) {
  const connection = await peer.connect(ticket, { alpn: ALPN })
  // A stream is seen by the other side with its first bytes.
  const stream = await connection.createBidirectionalStream()
  const writer = stream.writable.getWriter()
  await writer.write(new TextEncoder().encode('hello\n'))
  writer.releaseLock()
  return { connection, stream }
}

async function sendLines(writable) {
  const writer = writable.getWriter()
  for await (const line of createInterface({ input: process.stdin })) {
    await writer.write(new TextEncoder().encode(`${line}\n`))
  }
  await writer.close()
}

async function showLines(readable) {
  let rest = ''
  for await (const text of readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) console.log(`< ${line}`)
  }
}
