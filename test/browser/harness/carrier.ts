import type * as Anypath from '../../../src/index.js'
import { STRICT_POLICY } from './pages.js'

/** What pages have as a global. */
declare const anypath: typeof Anypath

interface Dialled {
  readonly peer: Anypath.Peer
  readonly connection: Anypath.Connection
  /** Each change of the path in use, by its kind. */
  readonly selected: string[]
}

/** The headers of a page that may open sessions to a Node peer, and reach a relay. */
export async function policyForPeer(peer: Anypath.Peer, relay?: string): Promise<Record<string, string>> {
  const { addresses } = await peer.ticket()
  const sockets = addresses.flatMap((address) =>
    address.kind === 'ip' ? [`https://${address.host}:${address.port}`] : [],
  )
  const relays = relay === undefined ? [] : [new URL(relay).origin.replace(/^http/, 'ws')]
  return { 'content-security-policy': [STRICT_POLICY, ...sockets, ...relays].join(' ') }
}

/** Runs in a page: dials with these relays, having its sessions remembered, and tells the kinds of the paths. */
export async function dialByTicket({
  relays,
  ticket,
}: {
  relays: string[]
  ticket: string | { id: string; relays: string[] }
}): Promise<string[]> {
  const sessions: WebTransport[] = []
  class WatchedTransport extends WebTransport {
    constructor(url: string | URL, options?: WebTransportOptions) {
      super(url, options)
      sessions.push(this)
    }
  }
  Object.assign(globalThis, { sessions, WebTransport: WatchedTransport })
  const peer = await anypath.Peer.create({ relays })
  const connection = await peer.connect(ticket, { alpn: 'test/1', timeoutMs: 30_000 })
  const dialled = { peer, connection, selected: [] as string[] }
  connection.on('path', ({ change, kind }) => {
    if (change === 'selected') dialled.selected.push(kind)
  })
  Object.assign(globalThis, { dialled })
  return connection.paths.map(({ kind }) => kind)
}

/** Runs in a page: the paths of the connection of `dialByTicket` now, that in use first, and which were in use. */
export async function pathsInPage(): Promise<{ kinds: string[]; selected: string[]; sent: Record<string, number> }> {
  const { connection, selected } = (globalThis as unknown as { dialled: Dialled }).dialled
  const { paths } = await connection.getStats()
  const sent: Record<string, number> = {}
  for (const { kind, bytesSent } of paths) sent[kind] = (sent[kind] ?? 0) + bytesSent
  return { kinds: connection.paths.map(({ kind }) => kind), selected, sent }
}

/** Runs in a page: closes its sessions under the connection, as a browser does whose network is gone; gives how many. */
export function killSessions(): number {
  const { sessions } = globalThis as unknown as { sessions: WebTransport[] }
  const open = sessions.splice(0)
  for (const session of open) session.close()
  return open.length
}

/** Runs in a page: the SHA-256 of what comes on the next one-way stream. */
export async function receiveFileInPage(): Promise<string> {
  const { connection } = (globalThis as unknown as { dialled: Dialled }).dialled
  const { value } = await connection.incomingUnidirectionalStreams.getReader().read()
  const bytes = await new Response(value as unknown as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer()
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Runs in a page: closes the peer of `dialByTicket`. */
export async function closePeerInPage(): Promise<void> {
  await (globalThis as unknown as { dialled: Dialled }).dialled.peer.close({ closeCode: 5, reason: 'done' })
}

/** Runs in a page: dials without relays, and once more by the session when the connection is closed; tells the kinds of the paths then. */
export async function dialTwice({ ticket, id }: { ticket: string; id: string }): Promise<string[]> {
  const peer = await anypath.Peer.create()
  const session = peer.session(id)
  const connection = await peer.connect(ticket, { alpn: 'test/1', timeoutMs: 30_000 })
  connection.close()
  await connection.closed
  const again = await session.connect({ timeoutMs: 30_000 })
  const kinds = again.paths.map(({ kind }) => kind)
  await peer.close()
  return kinds
}

/** Runs in a page: why a dial without relays fails. */
export async function dialFailure({ ticket, timeoutMs }: { ticket: string; timeoutMs: number }): Promise<string> {
  const peer = await anypath.Peer.create()
  const why = await peer.connect(ticket, { alpn: 'test/1', timeoutMs }).then(
    () => 'connected',
    ({ code }) => code,
  )
  await peer.close()
  return why
}
