import type * as Anypath from '../../../src/index.js'

/** What pages have as a global. */
declare const anypath: typeof Anypath

export interface Exchanged {
  /** The page's own id. */
  readonly id: string
  readonly remoteId: string
  readonly relays: readonly (string | undefined)[]
  /** How many of the bytes that were sent came back, in order, by each kind. */
  readonly bidirectional: number
  readonly unidirectional: number
  readonly datagram: number
}

type Relays = NonNullable<Anypath.PeerOptions['relays']>

export interface ExchangeTarget {
  readonly relays: Relays
  /** A ticket, or an id that is looked up on `records`. */
  readonly target: string
  /** A pkarr relay's URL. */
  readonly records?: string
  readonly bytes: number
}

/** Runs in a page: dials a peer that echoes, sends it bytes on a stream of each kind and a datagram, and counts what comes back. */
export async function exchangeInPage({ relays, target, records, bytes }: ExchangeTarget): Promise<Exchanged> {
  const payload = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
  const same = (received: Uint8Array) => {
    const sent = payload(received.length)
    return received.every((byte, at) => byte === sent[at]) ? received.length : -1
  }
  const first = async <T>(stream: ReadableStream<T>) => {
    const reader = stream.getReader()
    const { value } = await reader.read()
    reader.releaseLock()
    return value as T
  }
  const everything = async (stream: unknown) =>
    new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer())
  const send = async (stream: WritableStream<Uint8Array>) => {
    const writer = stream.getWriter()
    await writer.write(payload(bytes))
    await writer.close()
  }
  const discovery = records === undefined ? [] : [anypath.pkarrDiscovery({ url: records })]
  const peer = await anypath.Peer.create({ relays, discovery })
  const connection = await peer.connect(target, { alpn: 'test/1', timeoutMs: 30_000 })

  const { readable, writable } = await connection.createBidirectionalStream()
  const [back] = await Promise.all([everything(readable), send(writable)])
  const answer = first(connection.incomingUnidirectionalStreams).then(everything)
  await send(await connection.createUnidirectionalStream())
  const answered = await answer

  // A datagram may be lost on any path.
  const again = setInterval(() => connection.datagrams.send(payload(1000)).catch(() => {}), 1000)
  const echoed = first(connection.datagrams.readable)
  await connection.datagrams.send(payload(1000))
  const datagram = same(await echoed)
  clearInterval(again)
  const exchanged = {
    id: peer.id,
    remoteId: connection.remoteId,
    // Pages may be on a data channel already; the relay is their backup.
    relays: connection.paths.flatMap(({ relay }) => relay ?? []),
    bidirectional: same(back),
    unidirectional: same(answered),
    datagram,
  }
  connection.close()
  return exchanged
}

export interface Echoing {
  readonly id: string
  readonly ticket: string
}

/** Runs in a page: a peer that echoes streams of both kinds and datagrams, and publishes its record if it is told where. */
export async function echoingPeerInPage({ relays, records }: { relays: Relays; records?: string }): Promise<Echoing> {
  const discovery = records === undefined ? [] : [anypath.pkarrPublisher({ url: records })]
  const peer = await anypath.Peer.create({ alpns: ['test/1'], relays, discovery })
  const echoing = { peer, remoteIds: [] as string[] }
  Object.assign(globalThis, { echoing })
  const each = async <T>(stream: ReadableStream<T>, use: (value: T) => Promise<unknown>) => {
    const reader = stream.getReader()
    for (let next = await reader.read(); !next.done; next = await reader.read()) void use(next.value).catch(() => {})
  }
  void (async () => {
    for await (const connection of peer.incoming) {
      echoing.remoteIds.push(connection.remoteId)
      void Promise.allSettled([
        each(connection.incomingBidirectionalStreams, ({ readable, writable }) => readable.pipeTo(writable)),
        each(connection.incomingUnidirectionalStreams, async (stream) =>
          stream.pipeTo(await connection.createUnidirectionalStream()),
        ),
        each(connection.datagrams.readable, (datagram) => connection.datagrams.send(datagram)),
      ])
    }
  })()
  await peer.online({ timeoutMs: 30_000 })
  return { id: peer.id, ticket: String(await peer.ticket()) }
}

/** Runs in a page: who has dialled the peer of `echoingPeerInPage` until now. */
export function dialledBy(): readonly string[] {
  return (globalThis as unknown as { echoing: { remoteIds: string[] } }).echoing.remoteIds
}

/** Runs in a page, before any peer is made: remembers its WebSockets. */
export function watchSockets(): void {
  const sockets: WebSocket[] = []
  class WatchedSocket extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols)
      sockets.push(this)
    }
  }
  Object.assign(globalThis, { sockets, WebSocket: WatchedSocket })
}

/** Runs in a page: the subprotocols of the sockets that `watchSockets` has seen. */
export function subprotocols(): string[] {
  return (globalThis as unknown as { sockets: WebSocket[] }).sockets.map(({ protocol }) => protocol)
}
