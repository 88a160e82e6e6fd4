import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as Anypath from '../../../src/index.js'
import type * as RelayServer from '../../../src/relay/index.js'
import type { UserProject } from './package.js'
import { STRICT_POLICY } from './pages.js'

/** What pages have as a global. */
declare const anypath: typeof Anypath

/** The installed package, as a Node program of its user has it. */
export function inNode(user: UserProject): Promise<typeof Anypath> {
  return import(pathToFileURL(join(user.dist, 'node.mjs')).href)
}

export type Relay = RelayServer.Relay

/** The embedded relay of the installed package. */
export async function startRelay(user: UserProject, port = 0, options: RelayServer.RelayOptions = {}): Promise<Relay> {
  const relay: typeof RelayServer = await import(pathToFileURL(join(user.dist, 'relay.mjs')).href)
  return relay.startRelay({ port, ...options })
}

/** The headers of a page that may reach these relays, a server of records if one is named, and nothing else but what it was loaded from. */
export function policyFor(relayUrls: readonly string[], recordsUrl?: string): Record<string, string> {
  const sockets = relayUrls.map((url) => new URL(url).origin.replace(/^http/, 'ws'))
  const records = recordsUrl === undefined ? [] : [new URL(recordsUrl).origin]
  return { 'content-security-policy': [STRICT_POLICY, ...sockets, ...records].join(' ') }
}

/** Runs in a page: a peer that echoes streams, and hashes what comes by one-way streams; gives its ticket. */
export async function serveInPage(relay: string): Promise<string> {
  const peer = await anypath.Peer.create({ alpns: ['test/1'], relays: [relay] })
  const served = { peer, hashes: [] as string[], states: [] as string[], closed: '' }
  Object.assign(globalThis, { served })
  const serve = async (connection: Anypath.Connection) => {
    Object.assign(served, { connection })
    connection.on('state', ({ to }) => served.states.push(to))
    connection.closed.then(
      ({ reason }) => {
        served.closed = `closed: ${reason}`
      },
      ({ code }) => {
        served.closed = code
      },
    )
    // Not every browser iterates over streams.
    const each = async <T>(stream: ReadableStream<T>, use: (value: T) => Promise<void>) => {
      const reader = stream.getReader()
      for (let next = await reader.read(); !next.done; next = await reader.read()) void use(next.value).catch(() => {})
    }
    const echoing = each(connection.incomingBidirectionalStreams, ({ readable, writable }) => readable.pipeTo(writable))
    const hashing = each(connection.incomingUnidirectionalStreams, async (stream) => {
      const bytes = await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer()
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
      served.hashes.push([...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''))
    })
    await Promise.allSettled([echoing, hashing])
  }
  void (async () => {
    for await (const connection of peer.incoming) void serve(connection)
  })()
  await peer.online({ timeoutMs: 30_000 })
  return String(await peer.ticket())
}

export interface Served {
  readonly hashes: readonly string[]
  readonly states: readonly string[]
  readonly closed: string
}

/** Runs in a page: what `serveInPage` has seen until now. */
export function servedInPage(): Served {
  const { hashes, states, closed } = (globalThis as unknown as { served: Served }).served
  return { hashes, states, closed }
}

/** Runs in a page: dials, and keeps peer and connection; tells how. */
export async function dialInPage({ relay, ticket }: { relay: string; ticket: string }): Promise<Dialled> {
  const peer = await anypath.Peer.create({ relays: [relay] })
  const connection = await peer.connect(ticket, { alpn: 'test/1', timeoutMs: 30_000 })
  const dialled = { peer, connection, states: [] as string[] }
  connection.on('state', ({ to }) => dialled.states.push(to))
  Object.assign(globalThis, { dialled })
  return { remoteId: connection.remoteId, paths: connection.paths.map(({ kind }) => kind) }
}

export interface Dialled {
  readonly remoteId: string
  readonly paths: readonly string[]
}

/** Runs in a page: sends a text over the connection of `dialInPage`, or the last one of `serveInPage`, and gives what comes back. */
export async function echoInPage(text: string): Promise<string> {
  type Used = Record<'dialled' | 'served', { connection: Anypath.Connection } | undefined>
  const { dialled, served } = globalThis as unknown as Used
  const connection = (dialled ?? served)?.connection as Anypath.Connection
  const { readable, writable } = await connection.createBidirectionalStream()
  const writer = writable.getWriter()
  const sent = writer.write(new TextEncoder().encode(text)).then(() => writer.close())
  const received = await new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).text()
  await sent
  return received
}

/** Runs in a page: sends pseudo-random bytes on a one-way stream of the connection of `dialInPage`; gives their SHA-256. */
export async function sendFileInPage(bytes: number): Promise<string> {
  const { connection } = (globalThis as unknown as { dialled: { connection: Anypath.Connection } }).dialled
  const file = new Uint32Array(bytes / 4)
  let state = 0x9e3779b9
  for (let i = 0; i < file.length; i += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    file[i] = state
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', file))
  await new Blob([file]).stream().pipeTo(await connection.createUnidirectionalStream())
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** A Node peer that answers each bidirectional stream with what it carries. */
export async function echo(peer: Anypath.Peer): Promise<void> {
  for await (const connection of peer.incoming) {
    void (async () => {
      for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
        readable.pipeTo(writable).catch(() => {})
      }
    })().catch(() => {})
  }
}

/** What comes back of a text; a remote that does not answer fails the test before its time is over. */
export async function echoed(connection: Anypath.Connection, text: string): Promise<string> {
  const { readable, writable } = await connection.createBidirectionalStream()
  const signal = AbortSignal.timeout(30_000)
  signal.addEventListener('abort', () => connection.close({ reason: 'no echo' }))
  const writer = writable.getWriter()
  await writer.write(new TextEncoder().encode(text))
  void writer.close().catch(() => {})
  return new Response(readable as unknown as BodyInit).text()
}

/** What a Node peer receives on the next one-way stream, as its SHA-256. */
export async function receiveFile(connection: Anypath.Connection): Promise<string> {
  const hash = createHash('sha256')
  for await (const stream of connection.incomingUnidirectionalStreams) {
    for await (const bytes of stream) hash.update(bytes)
    break
  }
  return hash.digest('hex')
}

/** Sends a file of that size on a one-way stream; gives its SHA-256. */
export async function sendFile(connection: Anypath.Connection, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  const writer = (await connection.createUnidirectionalStream()).getWriter()
  const piece = 1 << 18
  for (let sent = 0; sent < bytes; sent += piece) {
    const chunk = new Uint8Array(Math.min(piece, bytes - sent)).fill(sent / piece)
    hash.update(chunk)
    await writer.write(chunk)
  }
  await writer.close()
  return hash.digest('hex')
}

/** Waits until something is so. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 60_000): Promise<number> {
  const started = performance.now()
  while (!(await holds())) {
    if (performance.now() - started > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - started
}

/** Holds a deadline on real time: a machine that was busy with something else gets one more try. */
export async function within(limitMs: number, take: () => Promise<number>): Promise<void> {
  const tookMs = [await take()]
  if (Number(tookMs[0]) >= limitMs) tookMs.push(await take())
  if (Number(tookMs.at(-1)) >= limitMs) throw new Error(`not within ${limitMs} ms: ${tookMs.join(' ms, then ')} ms`)
}
