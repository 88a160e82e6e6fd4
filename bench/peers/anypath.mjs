import { pathToFileURL } from 'node:url'
import { Arrivals, first, readAll, runTasks, writeFor } from '../harness/flow.mjs'
import { pace } from '../harness/pace.mjs'

const ALPN = 'bench/1'
const BODY = new Uint8Array(100).fill(0x5a)
const BYTE = new Uint8Array(1)
/** What the optimised iroh-peer's `listen --bulk` speaks: see test/interop/iroh-peer/src/bulk.rs. */
const UPLOAD = 0n
const REQUEST_BYTES = 8

export const roles = {
  throughput: { server: receiveStream, client: sendStream },
  'throughput-iroh': { client: sendToIroh },
  'throughput-from-iroh': { client: receiveFromIroh },
  'throughput-serve-iroh': { server: serveIroh },
  requests: { server: answerRequests, client: sendRequests },
  datagrams: { server: countDatagrams, client: sendDatagrams },
  handshakes: { server: answerHandshakes, client: dialAgainAndAgain },
  memory: { server: holdConnections, client: openConnections },
}

/** A peer of the built package on loopback. `options.package` is the path of its dist/node.mjs. */
async function createPeer({ options }, more = {}) {
  const { Peer } = await import(pathToFileURL(options.package).href)
  const limits = { maxMtuBytes: options.packetBytes ?? 1452, ...options.limits, ...more.limits }
  return Peer.create({ udp: { host: '127.0.0.1' }, ...options.peer, ...more, limits })
}

async function listen(context, more = {}) {
  const peer = await createPeer(context, { alpns: [ALPN], ...more })
  context.link.send(String(await peer.ticket()))
  return peer
}

async function dial(context, more = {}, alpn = ALPN) {
  const peer = await createPeer(context, more)
  const ticket = await context.link.receive()
  const connection = await peer.connect(ticket, { alpn })
  return { peer, ticket, connection }
}

async function receiveStream(context) {
  const peer = await listen(context)
  const connection = await first(peer.incoming)
  const figures = await readAll(await first(connection.incomingUnidirectionalStreams), context)
  const { datagramsSent, datagramsReceived } = await peer.stats()
  return { ...figures, datagramsSent, datagramsReceived }
}

async function sendStream(context) {
  const { connection } = await dial(context)
  const stream = await connection.createUnidirectionalStream()
  await writeFor(stream, context)
  return describe(connection)
}

async function describe(connection) {
  const { mtuBytes, packetsSent, packetsLost, congestionEvents, tls } = await connection.getStats()
  return { mtuBytes, packetsSent, packetsLost, congestionEvents, tls }
}

async function sendToIroh(context) {
  const { options, begin } = context
  const { connection } = await dial(context)
  if (options.warmUp) await upload(connection, { options: { seconds: options.warmUp }, begin })
  return {
    ...(await upload(connection, { options: { seconds: options.seconds }, begin })),
    ...(await describe(connection)),
  }
}

async function upload(connection, context) {
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  await writer.write(new Uint8Array(new BigUint64Array([UPLOAD]).buffer))
  writer.releaseLock()
  const from = performance.now()
  await writeFor(writable, context)
  // The answer is the number of bytes that arrived, so what is timed includes the last acknowledgement.
  const { value } = await readable.getReader().read()
  const seconds = (performance.now() - from) / 1000
  const bytes = Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true))
  return { bytes, seconds, mbPerSecond: bytes / 1e6 / seconds }
}

async function receiveFromIroh(context) {
  const { connection } = await dial(context)
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  await writer.write(new Uint8Array(new BigUint64Array([BigInt(context.options.bytes)]).buffer))
  await writer.close()
  return { ...(await readAll(readable, context)), ...(await describe(connection)) }
}

async function serveIroh(context) {
  const peer = await listen(context)
  const connection = await first(peer.incoming)
  const { readable, writable } = await first(connection.incomingBidirectionalStreams)
  const figures = await readAll(readable, context)
  const writer = writable.getWriter()
  await writer.write(new Uint8Array(new BigUint64Array([BigInt(figures.total - REQUEST_BYTES)]).buffer))
  await writer.close()
  return figures
}

/** Reads a short stream to its end; bodies here fit into memory many times over. */
async function readBody(readable) {
  const reader = readable.getReader()
  let bytes = 0
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read())
    bytes += value.byteLength
  return bytes
}

async function writeBody(writable, body) {
  const writer = writable.getWriter()
  writer.write(body).catch(() => {})
  await writer.close()
}

async function exchange(connection, body) {
  const { readable, writable } = await connection.createBidirectionalStream()
  // The answer proves that the request arrived; its acknowledgement may come up to 25 ms later (RFC 9000 section 13.2.1).
  writeBody(writable, body).catch(() => {})
  const bytes = await readBody(readable)
  if (bytes !== body.length) throw new Error(`${bytes} bytes came back, not ${body.length}`)
}

async function answerAll(connection, body) {
  const answer = async ({ readable, writable }) => {
    await readBody(readable)
    await writeBody(writable, body)
  }
  const reader = connection.incomingBidirectionalStreams.getReader()
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    // A connection that goes away takes its streams along.
    answer(value).catch(() => {})
  }
}

async function answerRequests(context) {
  const peer = await listen(context)
  const connection = await first(peer.incoming)
  context.begin()
  await answerAll(connection, BODY).catch(() => {})
  return {}
}

async function sendRequests(context) {
  const { connection } = await dial(context)
  const { requests, concurrency } = context.options
  await runTasks(Math.min(200, requests), concurrency, () => exchange(connection, BODY))
  context.begin()
  const figures = await runTasks(requests, concurrency, () => exchange(connection, BODY))
  connection.close()
  return figures
}

async function countDatagrams(context) {
  const peer = await listen(context)
  const connection = await first(peer.incoming)
  const { datagrams } = connection
  datagrams.incomingHighWaterMark = 100_000
  const reader = datagrams.readable.getReader()
  const arrivals = new Arrivals(context)
  try {
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      arrivals.add(value.byteLength)
    }
  } catch {
    // The sender closes when it is done.
  }
  return arrivals.figures
}

async function sendDatagrams(context) {
  const { connection } = await dial(context)
  const body = new Uint8Array(context.options.datagramBytes)
  context.begin()
  const sent = await pace(context.options, () => {
    connection.datagrams.send(body).catch(() => {})
  })
  connection.close()
  return { sent }
}

async function answerHandshakes(context) {
  const peer = await listen(context)
  const { link } = context
  const serve = async () => {
    for await (const connection of peer.incoming) answerAll(connection, BYTE).catch(() => {})
  }
  serve().catch(() => {})
  context.begin()
  await link.receive()
  const { bytesSent, bytesReceived } = await peer.stats()
  return { bytesSent, bytesReceived }
}

async function dialAgainAndAgain(context) {
  const { options, link } = context
  const { peer, ticket, connection } = await dial(context)
  await exchange(connection, BYTE)
  connection.close()
  const target = await peer.parseTicket(ticket)
  const totals = { early: 0, group: '' }
  const task = async () => {
    const next = await peer.connect(target, { alpn: ALPN, earlyData: options.earlyData ?? false })
    await exchange(next, BYTE)
    await next.ready
    if (next.earlyDataAccepted) totals.early += 1
    totals.group = next.tls.group
    next.close()
    await next.closed.catch(() => {})
  }
  await runTasks(Math.min(10, options.count), options.concurrency, task)
  totals.early = 0
  const before = await peer.stats()
  context.begin()
  const figures = await runTasks(options.count, options.concurrency, task)
  const after = await peer.stats()
  link.send('done')
  const up = (after.bytesSent - before.bytesSent) / options.count
  const down = (after.bytesReceived - before.bytesReceived) / options.count
  return { ...figures, ...totals, bytesUp: up, bytesDown: down }
}

async function holdConnections(context) {
  const peer = await listen(context)
  const before = await sample(peer)
  const held = []
  const serve = async () => {
    for await (const connection of peer.incoming) held.push(connection)
  }
  serve().catch(() => {})
  context.link.send('ready')
  await context.link.receive()
  return idle(context, peer, before, () => held.length)
}

async function openConnections(context) {
  const { options, link } = context
  const peer = await createPeer(context)
  const ticket = await peer.parseTicket(await link.receive())
  await link.receive()
  const before = await sample(peer)
  const held = []
  const opened = await runTasks(options.connections, options.concurrency, async () => {
    held.push(await peer.connect(ticket, { alpn: ALPN }))
  })
  link.send('opened')
  return { opened, ...(await idle(context, peer, before, () => held.length)) }
}

/** What the connections cost once nothing happens: memory beside `before`, and processor time. */
async function idle({ options, begin }, peer, before, count) {
  await pause(options.settleSeconds * 1000)
  begin()
  const from = process.cpuUsage()
  await pause(options.idleSeconds * 1000)
  const { user, system } = process.cpuUsage(from)
  const after = await sample(peer)
  const connections = count()
  const each = (name) => (after[name] - before[name]) / connections
  return {
    connections,
    idleCores: (user + system) / 1e6 / options.idleSeconds,
    wasmEach: each('wasm'),
    heapEach: each('heap'),
    externalEach: each('external'),
    rssEach: each('rss'),
  }
}

async function sample(peer) {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.()
    await pause(50)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  const { memoryBytes } = await peer.stats()
  return { wasm: memoryBytes, heap: heapUsed, external, rss }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
