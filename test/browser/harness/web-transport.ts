import type * as Anypath from '../../../src/index.js'

/** What a page has to know to open a session. */
export interface Listener {
  readonly url: string
  /** SHA-256 of certificates. */
  readonly hashes: readonly (readonly number[])[]
}

/** Where a Node peer on the loopback listens for browsers. */
export async function listenerOf(peer: Anypath.Peer, path = '/echo'): Promise<Listener> {
  const { addresses } = await peer.ticket()
  const address = addresses.find(({ kind }) => kind === 'ip')
  if (address?.kind !== 'ip') throw new Error('the peer has no address')
  const hashes = await peer.webTransportSessions.certificateHashes()
  return {
    url: `https://${address.host}:${address.port}${path}`,
    hashes: hashes.map(({ value }) => [...value]),
  }
}

/** A policy that allows a page to connect there. */
export function policyOf({ url }: Listener): { 'content-security-policy': string } {
  const connect = `connect-src 'self' ${new URL(url).origin}`
  return { 'content-security-policy': `default-src 'none'; img-src 'self'; script-src 'self'; ${connect}` }
}

/** What a page saw of a session. */
export interface Seen {
  readonly connectMs: number
  readonly stream: string
  readonly oneWay: string
  readonly datagram: string
  readonly maxDatagramSize: number
  readonly closed: WebTransportCloseInfo
}

/** Runs in a page: opens a session, has everything echoed, and closes it. */
export async function useSession({ url, hashes }: Listener): Promise<Seen> {
  const started = performance.now()
  const transport = new WebTransport(url, {
    serverCertificateHashes: hashes.map((hash) => ({ algorithm: 'sha-256', value: new Uint8Array(hash) })),
  })
  await transport.ready
  const connectMs = performance.now() - started
  const text = 'a stream of some length '.repeat(5000)
  const { readable, writable } = await transport.createBidirectionalStream()
  const writer = writable.getWriter()
  const sent = writer.write(new TextEncoder().encode(text)).then(() => writer.close())
  const stream = await new Response(readable).text()
  await sent
  const incoming = transport.incomingUnidirectionalStreams.getReader()
  const { value: incomingStream } = await incoming.read()
  const oneWay = await new Response(incomingStream as ReadableStream).text()
  // Firefox loses what is larger than 1,024 bytes at first; a datagram may be lost at any time.
  const datagrams = transport.datagrams.writable.getWriter()
  const repeat = setInterval(() => void datagrams.write(new TextEncoder().encode('ping')).catch(() => {}), 50)
  const { value: datagram } = await transport.datagrams.readable.getReader().read()
  clearInterval(repeat)
  transport.close({ closeCode: 7, reason: 'seen enough' })
  return {
    connectMs,
    stream: stream === text ? 'as it was sent' : `${stream.length} other characters`,
    oneWay,
    datagram: new TextDecoder().decode(datagram),
    maxDatagramSize: transport.datagrams.maxDatagramSize,
    closed: await transport.closed,
  }
}

/** Runs in a page: why a session can't be opened. */
export async function refusalOf({ url, hashes }: Listener): Promise<string> {
  const transport = new WebTransport(url, {
    serverCertificateHashes: hashes.map((hash) => ({ algorithm: 'sha-256', value: new Uint8Array(hash) })),
  })
  transport.closed.catch(() => {})
  return transport.ready.then(
    () => 'opened',
    (error) => error.name,
  )
}

/** Runs in a page: opens a session, says by a stream that it is open, and waits until the other side closes it. */
export async function awaitClose({ url, hashes }: Listener): Promise<WebTransportCloseInfo | string> {
  const transport = new WebTransport(url, {
    serverCertificateHashes: hashes.map((hash) => ({ algorithm: 'sha-256', value: new Uint8Array(hash) })),
  })
  await transport.ready
  const writer = (await transport.createUnidirectionalStream()).getWriter()
  void writer.write(new Uint8Array(1)).catch(() => {})
  return transport.closed.then(
    ({ closeCode = 0, reason = '' }) => ({ closeCode, reason }),
    (error) => String(error),
  )
}

/** Runs in a page: moves bytes there and back on one stream; gives whether they are the same. */
export async function exchange({ url, hashes, bytes }: Listener & { bytes: number }): Promise<boolean> {
  const transport = new WebTransport(url, {
    serverCertificateHashes: hashes.map((hash) => ({ algorithm: 'sha-256', value: new Uint8Array(hash) })),
  })
  await transport.ready
  const file = new Uint32Array(bytes / 4)
  let state = 0x9e3779b9
  for (let i = 0; i < file.length; i += 1) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    file[i] = state
  }
  const { readable, writable } = await transport.createBidirectionalStream()
  const sent = new Blob([file]).stream().pipeTo(writable)
  const received = await new Response(readable).arrayBuffer()
  await sent
  transport.close()
  const digests = await Promise.all([file, received].map((data) => crypto.subtle.digest('SHA-256', data)))
  const [before, after] = digests.map((digest) => new Uint8Array(digest).join())
  return before === after
}

/** Answers each stream and datagram of every session with what it carries, and sends one stream of its own. */
export async function echoSessions(peer: Anypath.Peer, seen: Anypath.WebTransportSession[] = []): Promise<void> {
  for await (const session of peer.webTransportSessions) {
    seen.push(session)
    void greet(session).catch(() => {})
    void session.datagrams.readable.pipeTo(session.datagrams.writable).catch(() => {})
    void (async () => {
      for await (const { readable, writable } of session.incomingBidirectionalStreams) {
        readable.pipeTo(writable).catch(() => {})
      }
    })().catch(() => {})
  }
}

async function greet(session: Anypath.WebTransportSession): Promise<void> {
  const writer = (await session.createUnidirectionalStream()).getWriter()
  await writer.write(new TextEncoder().encode(`welcome to ${session.path}`))
  await writer.close()
}
