// Loads a relay and tells what it did: `node relay-load.mjs '{"port":…}'` under `fork`, with one message for each step.

import { datagramFrame, LightClient } from './relay-client.mjs'

const options = JSON.parse(process.argv[2])
const PACKET_BYTES = 1_200
const OPENING_AT_ONCE = 32
const STEPS = { open, bulk, paced }
const clients = []

process.on('message', async ({ step, ...settings }) => {
  try {
    process.send({ figures: await STEPS[step]({ ...options, ...settings }) })
  } catch (error) {
    process.send({ error: error.message })
  }
})
process.on('disconnect', () => process.exit(0))

/** Opens all clients. */
async function open({ port, clients: count }) {
  const started = performance.now()
  const worker = async () => {
    while (clients.length < count) {
      const client = new LightClient()
      clients.push(client)
      await client.open(port)
      client.onClose = (error) => process.send({ error: error.message })
    }
  }
  await Promise.all(Array.from({ length: OPENING_AT_ONCE }, worker))
  return { perSecond: count / ((performance.now() - started) / 1000) }
}

/** Pairs of clients send as fast as the relay lets them, each with so many messages on the way. */
async function bulk({ pairs, seconds, packets, window }) {
  const frames = []
  let running = true
  let messages = 0
  for (let pair = 0; pair < pairs; pair++) {
    const [from, to] = [clients[2 * pair], clients[2 * pair + 1]]
    const content = Buffer.alloc(PACKET_BYTES * packets, 0x5a)
    const bytes = datagramFrame(to.key, content, packets === 1 ? undefined : PACKET_BYTES)
    const half = Math.max(1, window >> 1)
    let credit = 0
    to.onDatagram = () => {
      messages++
      if (++credit < half || !running) return
      from.sendAll(Array(credit).fill(bytes))
      credit = 0
    }
    frames.push(() => from.sendAll(Array(window).fill(bytes)))
  }
  for (const start of frames) start()
  await sleep(300)
  const before = messages
  const started = performance.now()
  await sleep(seconds * 1000)
  const elapsed = (performance.now() - started) / 1000
  const count = messages - before
  running = false
  await sleep(500)
  for (const client of clients) client.onDatagram = () => {}
  const perSecond = count / elapsed
  return { messages: count, perSecond, mbPerSecond: (perSecond * packets * PACKET_BYTES) / 1e6 }
}

/** Every client sends to its neighbour now and then, at a rate that the relay can keep up with; how long messages take. */
async function paced({ seconds, rate }) {
  const times = []
  let sent = 0
  for (const [at, client] of clients.entries()) {
    const next = clients[(at + 1) % clients.length]
    const content = Buffer.alloc(PACKET_BYTES)
    client.frame = datagramFrame(next.key, content)
    client.onDatagram = (bytes, offset) => times.push(performance.now() - bytes.readDoubleLE(offset))
  }
  const started = performance.now()
  for (let at = 0; performance.now() - started < seconds * 1000; ) {
    const due = ((performance.now() - started) / 1000) * rate
    for (; sent < due; sent++) {
      const client = clients[at++ % clients.length]
      const bytes = Buffer.from(client.frame)
      bytes.writeDoubleLE(performance.now(), bytes.length - PACKET_BYTES)
      client.send(bytes)
    }
    await sleep(1)
  }
  await sleep(1000)
  times.sort((a, b) => a - b)
  const quantile = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))]
  return { sent, arrived: times.length, p50Ms: quantile(0.5), p99Ms: quantile(0.99) }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
