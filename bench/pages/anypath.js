// A page's side of the browser suites, with anypath: bytes travel on bidirectional streams over a relay.
import { Peer } from '/anypath/browser.mjs'
import { offer, read, zeros } from '/flow.js'

const ALPN = 'bench/1'

/** Answers each stream with one byte at its end; gives the ticket. */
async function serve({ relay }) {
  const peer = await Peer.create({ alpns: [ALPN], relays: [relay] })
  const answer = async ({ readable, writable }) => {
    await read(readable)
    const writer = writable.getWriter()
    await writer.write(new Uint8Array(1))
    await writer.close()
  }
  void (async () => {
    for await (const connection of peer.incoming) {
      void (async () => {
        for await (const stream of connection.incomingBidirectionalStreams) answer(stream).catch(() => {})
      })()
    }
  })()
  await peer.online()
  return String(await peer.ticket())
}

let connected

/** Dials and waits for the answer to one byte; gives the time since the page was asked for, in milliseconds. */
async function firstMessage({ relay, address }) {
  const peer = await Peer.create({ relays: [relay] })
  connected = await peer.connect(address, { alpn: ALPN })
  await send({ bytes: 1 })
  return performance.now()
}

/** Sends that many bytes and waits for the answer; gives the seconds. */
async function send({ bytes }) {
  const started = performance.now()
  const { readable, writable } = await connected.createBidirectionalStream()
  const answered = read(readable)
  const writer = writable.getWriter()
  for (const chunk of zeros(bytes)) await writer.write(chunk)
  await Promise.all([writer.close(), answered])
  return (performance.now() - started) / 1000
}

offer({ serve, firstMessage, send })
