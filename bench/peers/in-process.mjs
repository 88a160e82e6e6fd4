import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { Arrivals, first, writeFor } from '../harness/flow.mjs'

const ALPN = 'bench/1'

/** Both sides of one stream in one process, over packets that never leave it: what the core costs, and no socket. */
export const roles = { memory: { server: wait, client: measure } }

/** The other role has nothing to do: all happens in one process. */
async function wait({ link }) {
  await link.receive()
  return {}
}

async function measure(context) {
  const { options, link } = context
  const { Peer } = await import(pathToFileURL(options.package).href)
  const core = options.core && (await loadCore(options.core))
  const [near, far] = wire()
  const common = { ...(core && { core }) }
  const listener = await Peer.create({ ...common, alpns: [ALPN], transports: [near] })
  const dialler = await Peer.create({ ...common, transports: [far] })
  const addresses = [{ ...near.address, transport: 'memory' }]
  const incoming = first(listener.incoming)
  const connection = await dialler.connect({ id: listener.id, addresses }, { alpn: ALPN })
  const stream = await connection.createUnidirectionalStream()
  const arrivals = new Arrivals(context)
  const written = writeFor(stream, context)
  const reader = (await first((await incoming).incomingUnidirectionalStreams)).getReader()
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read())
    arrivals.add(value.byteLength)
  await written
  link.send('done')
  return arrivals.figures
}

async function loadCore({ glue, wasm }) {
  const { createGlue } = await import(pathToFileURL(glue).href)
  const bytes = new Uint8Array(await readFile(wasm))
  return { wasm: bytes, createGlue }
}

/** Two transports that hand each other their packets in the next turn of the event loop. */
function wire() {
  const ends = ['fd00::1', 'fd00::2'].map((host) => new WireEnd({ host, port: 1 }))
  ends[0].other = ends[1]
  ends[1].other = ends[0]
  return ends
}

class WireEnd {
  kind = 'memory'
  maxPacketBytes = 1452
  discoversMtu = true
  writableBytes = 1 << 18
  queuedBytes = 0
  drops = {}
  #events
  #queue = []

  constructor(address) {
    this.address = address
  }

  async start(events) {
    this.#events = events
  }

  localAddresses() {
    return [this.address]
  }

  send(_address, packets, segmentBytes) {
    const step = segmentBytes === 0 ? packets.length : segmentBytes
    for (let at = 0; at < packets.length; at += step) this.other.take(packets.slice(at, at + step))
  }

  take(packet) {
    if (this.#queue.length === 0) setImmediate(() => this.#deliver())
    this.#queue.push(packet)
  }

  async close() {
    this.#events = undefined
  }

  #deliver() {
    const { host, port } = this.other.address
    for (const packet of this.#queue.splice(0)) this.#events?.receive(host, port, packet, 0)
  }
}
