import { idFromText, idToText } from '../../../src/api/identity.js'
import { PEER_FIELDS } from '../../../src/core/stats.js'
import type * as engine from '../../../src/driver/engine.js'
import { createError } from '../../../src/errors/index.js'
import { FakeHalf } from './fake-stream.js'

const PATH: engine.PathInfo = { pathId: 0, kind: 'memory', host: 'fake', port: 1, rttMs: 5 }
const STATS: engine.ConnectionStats = {
  rttMs: 7,
  minRttMs: 5,
  congestionWindowBytes: 14_000,
  mtuBytes: 1452,
  bytesSent: 1,
  bytesReceived: 2,
  packetsSent: 3,
  packetsReceived: 4,
  packetsLost: 0,
  bytesLost: 0,
  congestionEvents: 0,
  blackHoles: 0,
  streamsOpen: 0,
  group: 0x11ec,
  cipher: 0x1303,
  keyUpdates: 0,
  datagramsDropped: 9,
  paths: [{ ...PATH, rttMs: 7, mtuBytes: 1452, bytesSent: 1, bytesReceived: 2, packetsLost: 0, status: 'available' }],
}

interface Link {
  readonly remote: FakeEngine
  readonly remoteConnection: number
  readonly incoming: boolean
  readonly halves: Map<number, { readonly send: FakeHalf | undefined; readonly receive: FakeHalf | undefined }>
  readonly finished: Promise<never>
  readonly fail: (error: Error) => void
  streams: number
}

/** Peers that find each other by id: what a core and a network would do, without either. */
export class FakeEngine implements engine.Engine {
  readonly endpointId: Uint8Array
  /** Calls that change nothing here, as `name(arguments)`. */
  readonly calls: string[] = []
  /** What `relays` answers. */
  readonly knownRelays: engine.RelayInfo[] = []
  readonly links = new Map<number, Link>()
  streamsAllowed = 4
  maxDatagram = 1200
  /** Events wait while this is false. */
  running = true
  #listener: (event: engine.EngineEvent) => void = () => {}
  #queue: engine.EngineEvent[] = []
  #scheduled = false
  #lastConnection = 0
  closed = false

  constructor(
    private readonly network: Map<string, FakeEngine>,
    private readonly alpns: readonly string[],
    id: string,
  ) {
    this.endpointId = idFromText(id)
    network.set(id, this)
  }

  emit(event: engine.EngineEvent): void {
    this.#queue.push(event)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (!this.running) return
      for (const queued of this.#queue.splice(0)) this.#listener(queued)
    })
  }

  localAddresses(): Promise<engine.EngineAddress[]> {
    return Promise.resolve([{ carrier: 0, transport: 'udp', host: '192.0.2.1', port: 4433 }])
  }

  async connect(request: engine.ConnectRequest): Promise<number> {
    if (this.closed) throw createError('PeerClosed', 'closed')
    const sockets = request.addresses.map(({ carrier, host, port }) => `${carrier}:${host}:${port}`)
    this.calls.push(`connect(${[...sockets, ...request.relays.map(({ url }) => url)]})`)
    const remote = this.network.get(idToText(request.remoteId))
    this.#lastConnection += 1
    const id = this.#lastConnection
    this.emit({ type: 'state', connectionId: id, from: 'idle', to: 'connecting', cause: 'dial', elapsedMs: 0 })
    if (remote === undefined) {
      this.emit({ type: 'closed', connectionId: id, code: 10, by: 'transport', wireCode: 0, reason: 'nobody answered' })
      this.emit({ type: 'drained', connectionId: id })
    } else if (!remote.alpns.includes(new TextDecoder().decode(request.alpn))) {
      this.emit({
        type: 'closed',
        connectionId: id,
        code: 12,
        by: 'remote',
        wireCode: 0x178,
        reason: 'no such protocol',
      })
      this.emit({ type: 'drained', connectionId: id })
    } else {
      remote.#lastConnection += 1
      this.join(id, remote, remote.#lastConnection, false, request.alpn, request.earlyData)
      remote.join(remote.#lastConnection, this, id, true, request.alpn, false)
    }
    return id
  }

  private join(
    id: number,
    remote: FakeEngine,
    remoteConnection: number,
    incoming: boolean,
    alpn: Uint8Array,
    early: boolean,
  ): void {
    let fail!: (error: Error) => void
    const finished = new Promise<never>((_, reject) => {
      fail = reject
    })
    finished.catch(() => {})
    this.links.set(id, { remote, remoteConnection, incoming, halves: new Map(), finished, fail, streams: 0 })
    const info: engine.ConnectedInfo = {
      remoteId: remote.endpointId,
      incoming,
      early,
      group: early ? 0 : 0x11ec,
      cipher: early ? 0 : 0x1303,
      resumed: early,
      alpn,
      path: PATH,
    }
    this.emit({ type: 'connected', connectionId: id, info })
    if (early) {
      this.emit({ type: 'early-data', connectionId: id, accepted: true })
      this.emit({ type: 'connected', connectionId: id, info: { ...info, early: false, group: 0x11ec, cipher: 0x1303 } })
    }
    this.emit({ type: 'state', connectionId: id, from: 'connecting', to: 'direct', cause: 'handshake', elapsedMs: 3 })
  }

  admit(incomingId: number, decision: engine.Admission): void {
    this.calls.push(`admit(${incomingId}, ${decision})`)
  }

  async openStream(connectionId: number, bidirectional: boolean, wait = true): Promise<number> {
    const link = this.#link(connectionId)
    if (link.streams >= this.streamsAllowed) {
      if (!wait) throw createError('StreamLimit', 'no more streams')
      return link.finished
    }
    const streamId = link.streams * 4 + (bidirectional ? 0 : 2) + (link.incoming ? 1 : 0)
    link.streams += 1
    const there = new FakeHalf()
    const back = bidirectional ? new FakeHalf() : undefined
    link.halves.set(streamId, { send: there, receive: back })
    link.remote.links.get(link.remoteConnection)?.halves.set(streamId, { send: back, receive: there })
    link.remote.emit({ type: 'stream', connectionId: link.remoteConnection, streamId, bidirectional })
    return streamId
  }

  read(connectionId: number, streamId: number, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#raced(connectionId, (link) => link.halves.get(streamId)?.receive?.read(maxBytes))
  }

  write(connectionId: number, streamId: number, bytes: Uint8Array): Promise<void> {
    return this.#raced(connectionId, (link) => link.halves.get(streamId)?.send?.write(bytes))
  }

  finish(connectionId: number, streamId: number): Promise<void> {
    return this.#raced(connectionId, (link) => link.halves.get(streamId)?.send?.finish())
  }

  reset(connectionId: number, streamId: number, code: number): void {
    this.calls.push(`reset(${streamId}, ${code})`)
    this.links.get(connectionId)?.halves.get(streamId)?.send?.reset(code)
  }

  stop(connectionId: number, streamId: number, code: number): void {
    this.calls.push(`stop(${streamId}, ${code})`)
    const link = this.links.get(connectionId)
    link?.halves.get(streamId)?.receive?.stop(code)
    link?.remote.emit({ type: 'stopped', connectionId: link.remoteConnection, streamId, code })
  }

  setPriority(_connectionId: number, streamId: number, priority: number): void {
    this.calls.push(`setPriority(${streamId}, ${priority})`)
  }

  async sendDatagram(connectionId: number, bytes: Uint8Array): Promise<void> {
    if (bytes.length > this.maxDatagram) throw createError('DatagramTooLarge', `${bytes.length} bytes`)
    const link = this.#link(connectionId)
    link.remote.emit({ type: 'datagram', connectionId: link.remoteConnection, bytes: bytes.slice() })
  }

  maxDatagramBytes(): Promise<number> {
    return Promise.resolve(this.maxDatagram)
  }

  closeConnection(connectionId: number, code: number, reason: string): void {
    this.calls.push(`closeConnection(${code}, ${reason})`)
    const link = this.links.get(connectionId)
    if (link === undefined) return
    this.end(connectionId, 21, 'local', code, reason)
    link.remote.end(link.remoteConnection, 20, 'remote', code, reason)
  }

  /** Ends a connection on this side. */
  end(
    connectionId: number,
    code: number,
    by: 'local' | 'remote' | 'transport',
    wireCode: number,
    reason: string,
  ): void {
    const link = this.links.get(connectionId)
    this.links.delete(connectionId)
    if (link === undefined) return
    link.fail(createError(code, reason, { closeCode: wireCode, reason }))
    this.emit({ type: 'state', connectionId, from: 'direct', to: 'closed', cause: 'close', elapsedMs: 1 })
    this.emit({ type: 'closed', connectionId, code, by, wireCode, reason })
    this.emit({ type: 'drained', connectionId })
  }

  connectionStats(): Promise<engine.ConnectionStats> {
    return Promise.resolve(STATS)
  }

  peerStats(): Promise<engine.PeerStats> {
    const numbers = Object.fromEntries(PEER_FIELDS.map((name, i) => [name, i])) as Record<
      (typeof PEER_FIELDS)[number],
      number
    >
    const none = { told: 0, peerReflexive: 0, birthday: 0, failed: 0 }
    const searches = {
      unknown: none,
      none,
      'endpoint-independent': { told: 4, peerReflexive: 3, birthday: 2, failed: 1 },
      'address-dependent': none,
      'address-and-port-dependent': none,
      dependent: none,
    }
    const observer = { host: '203.0.113.1', port: 3478 }
    const mapped = { host: '198.51.100.7', port: 40_000 }
    const observations: engine.ObservedAddress[] = [
      { by: 'server', observer, mapped, rttMs: 25 },
      { by: 'remote', observer: mapped, mapped },
    ]
    const connections = this.links.size
    return Promise.resolve({ ...numbers, connections, searches, observations, transportDrops: { full: 3 } })
  }

  ping(): void {
    this.calls.push('ping()')
  }

  keyUpdate(): void {
    this.calls.push('keyUpdate()')
  }

  networkChanged(): void {
    this.calls.push('networkChanged()')
  }

  setVisible(visible: boolean): void {
    this.calls.push(`setVisible(${visible})`)
  }

  wake(): void {
    this.calls.push('wake()')
  }

  resumed(): void {
    this.calls.push('resumed()')
  }

  addAddresses(connectionId: number, { addresses, relays }: engine.DialTargets): void {
    const hosts = [...addresses.map(({ host }) => host), ...relays.map(({ url }) => url)]
    this.calls.push(`addAddresses(${connectionId}, ${hosts})`)
  }

  relays(): Promise<engine.RelayInfo[]> {
    return Promise.resolve([...this.knownRelays])
  }

  async answerSession(sessionId: number, status: number): Promise<boolean> {
    this.calls.push(`answerSession(${sessionId}, ${status})`)
    return true
  }

  async webTransportCertificates(): Promise<engine.WebTransportCertificate[]> {
    return []
  }

  async parseTicket(text: string): Promise<engine.TicketParts> {
    const match = /^fake:([0-9a-f]{64}):(.*)$/.exec(text)
    if (match === null) throw createError('InvalidTicket', 'not a ticket')
    const addresses = (match[2] ?? '').split(',').filter((part) => part !== '')
    return {
      id: idFromText(match[1] ?? ''),
      anypath: true,
      addresses: addresses.map((part) => {
        if (part.startsWith('relay=')) return { kind: 'relay', url: part.slice(6) }
        if (part.startsWith('unknown=')) return { kind: 'unknown', data: new TextEncoder().encode(part.slice(8)) }
        const [host = '', port] = part.split('|')
        return { kind: 'ip', host, port: Number(port) }
      }),
    }
  }

  async formatTicket(parts: engine.TicketParts): Promise<string> {
    const texts = parts.addresses.map((address) =>
      address.kind === 'ip' ? `${address.host}|${address.port}` : address.kind,
    )
    return `fake:${idToText(parts.id)}:${texts.join(',')}`
  }

  async close(code: number, reason: string): Promise<void> {
    this.closed = true
    for (const id of [...this.links.keys()]) this.closeConnection(id, code, reason)
  }

  onEvent(listener: (event: engine.EngineEvent) => void): void {
    this.#listener = listener
  }

  #link(connectionId: number): Link {
    const link = this.links.get(connectionId)
    if (link === undefined) throw createError('ClosedLocally', 'the connection is closed')
    return link
  }

  async #raced<T>(connectionId: number, start: (link: Link) => Promise<T> | undefined): Promise<T> {
    const link = this.#link(connectionId)
    const started = start(link)
    if (started === undefined) throw createError('StreamClosed', 'there is no such stream')
    return Promise.race([started, link.finished])
  }
}
