// One peer of the built package on a host of a laboratory: takes commands as lines of JSON, tells what happens as lines of JSON.
//
//   {"do": "connect", "id": …, "relays": […], "addresses": […]}      or with a `ticket` beside the id: tells `connected` when the first byte has come back
//   {"do": "transfer", "bytes": …}                 sends so many; tells `transferred` with what the remote got
//   {"do": "flow", "forMs": …}                     sends a piece every 20 ms, which the remote returns; tells `flowed` with the longest gap
//   {"do": "maintain", "id": …}                    keeps a connection with that remote until `release`; tells `maintained` at its end
//   {"do": "close"}                                closes the connection; both sides tell `closed`
//   {"do": "begin"}                                begins, where the options have `waits`: it tells `waiting` first
//   {"do": "report"}                               tells `report`: paths, state and counters
//   {"do": "ticket"}                               tells `ticket` with its text and the addresses in it
//   {"do": "diagnose"}                             tells `diagnosis`
//   {"do": "end"}                                  closes the peer; tells `ended`
//
// Everything has `atMs`, milliseconds since 1970.

import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const { Peer, pkarrDiscovery, pkarrPublisher } = await import(process.env.ANYPATH_PACKAGE)
const ALPN = 'natlab/1'
const WARM_UP_BYTES = 200_000
const PIECE_BYTES = 4096
const FLOW_INTERVAL_MS = 20

const tell = (type, fields) =>
  console.log(JSON.stringify({ type, atMs: performance.timeOrigin + performance.now(), ...fields }))

const logger = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [
    level,
    (text, fields) => console.error(level, text, JSON.stringify(fields)),
  ]),
)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const { logLevel, warm, waits, pkarr, ...options } = JSON.parse(process.env.ANYPATH_PEER ?? '{}')
if (warm) await warmUp()
if (waits) {
  tell('waiting')
  await lines.next()
}
const peer = await Peer.create({
  alpns: [ALPN],
  ...options,
  ...(logLevel ? { logger, logLevel } : {}),
  // Records are kept at the address of a relay, if one is given.
  ...(pkarr ? { discovery: [pkarrDiscovery({ url: pkarr }), pkarrPublisher({ url: pkarr })] } : {}),
})

/** What is done for the first time in a process takes half a second of a processor, and V8 keeps the code: two other peers do it on loopback. */
async function warmUp() {
  const alone = { alpns: [ALPN], udp: { host: '127.0.0.1' }, directPaths: false }
  const [near, far] = [await Peer.create(alone), await Peer.create(alone)]
  const accepted = (async () => {
    for await (const incoming of far.incoming)
      for await (const stream of incoming.incomingBidirectionalStreams) return answer(stream)
  })()
  const { readable, writable } = await (
    await near.connect(await far.ticket(), { alpn: ALPN })
  ).createBidirectionalStream()
  const writer = writable.getWriter()
  await writer.write(new Uint8Array(WARM_UP_BYTES))
  await writer.close()
  await Promise.all([text(readable), accepted])
  await Promise.all([near.close(), far.close()])
}

peer.on('state', ({ from, to, cause }) => tell('transition', { from, to, cause }))

let connection
let maintaining
/** Whoever holds no session hears of each connection as of the first one. */
const sessions = new Set()
function watch(next) {
  connection = next
  next.on('path', (event) => tell('path', event))
  next.on('state', (event) => tell('state', event))
  next.closed.then(
    (info) => tell('closed', info),
    (error) => tell('closed', { error: error.code ?? String(error) }),
  )
}

/** Answers each stream: `E` and what follows is returned, of everything else number and hash of the bytes. */
async function answer({ readable, writable }) {
  const writer = writable.getWriter()
  const hash = createHash('sha256')
  let [bytes, isEcho] = [0, undefined]
  for await (const chunk of readable) {
    isEcho ??= chunk[0] === 0x45
    if (isEcho) await writer.write(chunk)
    else {
      hash.update(chunk)
      bytes += chunk.byteLength
    }
  }
  if (!isEcho) await writer.write(Buffer.from(JSON.stringify({ bytes, hash: hash.digest('hex') })))
  await writer.close()
}

async function text(readable) {
  const chunks = []
  for await (const chunk of readable) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const commands = {
  async connect({ id, ticket, relays = [], addresses, timeoutMs = 30_000 }) {
    const begin = performance.now()
    sessions.add(peer.session(id))
    watch(await peer.connect(ticket ?? { id, relays, addresses }, { alpn: ALPN, timeoutMs }))
    const handshakeMs = performance.now() - begin
    const { readable, writable } = await connection.createBidirectionalStream()
    const writer = writable.getWriter()
    await writer.write(Buffer.from('E'))
    const reader = readable.getReader()
    await reader.read()
    tell('connected', {
      handshakeMs,
      firstByteMs: performance.now() - begin,
      paths: connection.paths,
      state: connection.state,
    })
    // Whoever has heard of it may have closed it already.
    await writer.close().catch(() => {})
    await reader.read().catch(() => {})
  },

  async transfer({ bytes }) {
    const begin = performance.now()
    const { readable, writable } = await connection.createBidirectionalStream()
    const writer = writable.getWriter()
    const hash = createHash('sha256')
    for (let left = bytes, seed = 1; left > 0; seed++) {
      const chunk = new Uint8Array(Math.min(left, 65_536)).map((_, i) => (i * 31 + (i >> 8) * seed) & 0xff)
      // The first byte says that this is no echo.
      if (seed === 1) chunk[0] = 0x54
      hash.update(chunk)
      await writer.write(chunk)
      left -= chunk.byteLength
    }
    await writer.close()
    const got = JSON.parse(await text(readable))
    const isWhole = got.bytes === bytes && got.hash === hash.digest('hex')
    tell('transferred', { isWhole, ms: performance.now() - begin })
  },

  async flow({ forMs, quiet }) {
    const { readable, writable } = await connection.createBidirectionalStream()
    const writer = writable.getWriter()
    const [sent, back] = [createHash('sha256'), createHash('sha256')]
    const begin = performance.now()
    const deadline = begin + forMs
    const [from, to] = quiet ? [begin + quiet.fromMs, begin + quiet.fromMs + quiet.forMs] : [deadline, deadline]
    const isQuiet = () => performance.now() >= from && performance.now() < to
    let [gapMs, gapAtMs, last] = [0, 0, performance.now()]
    const reading = (async () => {
      for await (const chunk of readable) {
        back.update(chunk)
        const now = performance.now()
        if (now - last > gapMs) [gapMs, gapAtMs] = [now - last, performance.timeOrigin + last]
        last = now
      }
    })()
    for (let n = 0; performance.now() < deadline; n++) {
      await sleep(FLOW_INTERVAL_MS)
      if (isQuiet()) continue
      const piece = Buffer.alloc(PIECE_BYTES, 0x45 + (n % 64))
      sent.update(piece)
      await writer.write(piece)
    }
    await writer.close()
    await reading
    tell('flowed', { isWhole: sent.digest('hex') === back.digest('hex'), gapMs, gapAtMs })
  },

  async maintain({ id }) {
    maintaining = new AbortController()
    const session = peer.session(id)
    session.on('connection', watch)
    await session.maintain({ alpn: ALPN, signal: maintaining.signal })
    session.off('connection', watch)
    tell('maintained')
  },

  async release() {
    maintaining.abort()
  },

  async ticket() {
    const ticket = await peer.ticket()
    // JSON has no numbers as large as those of custom addresses.
    const addresses = ticket.addresses.filter(({ kind }) => kind !== 'custom')
    tell('ticket', { addresses, text: String(ticket) })
  },

  async diagnose() {
    tell('diagnosis', await peer.diagnose())
  },

  async close() {
    connection.close({ closeCode: 0, reason: 'enough' })
  },

  async end() {
    await peer.close()
    tell('ended')
  },

  async report() {
    const stats = await connection?.getStats().catch(() => undefined)
    tell('report', { state: connection?.state, connection: stats, peer: await peer.stats() })
  },
}

void (async () => {
  for await (const incoming of peer.incoming) {
    watch(incoming)
    tell('accepted', { remoteId: incoming.remoteId, state: incoming.state, paths: incoming.paths })
    void (async () => {
      for await (const stream of incoming.incomingBidirectionalStreams)
        void answer(stream).catch((error) => tell('broken', { error: String(error) }))
    })().catch(() => {})
  }
})()

if (options.relays !== undefined) await peer.online({ timeoutMs: 20_000 })
tell('ready', { id: peer.id, relay: peer.relay?.url })
for await (const line of { [Symbol.asyncIterator]: () => lines }) {
  const { do: command, ...args } = JSON.parse(line)
  void commands[command](args).catch((error) =>
    tell('failed', { command, error: `${error.code ?? ''} ${error.message}` }),
  )
}
process.exit(0)
