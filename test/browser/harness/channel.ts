import type * as Anypath from '../../../src/index.js'

/** What pages have as a global. */
declare const anypath: typeof Anypath

interface Tab {
  readonly peer: Anypath.Peer
  connection?: Anypath.Connection
  /** Each change of the path in use, by its kind. */
  readonly selected: string[]
}

/**
 * Runs in a page: remembers every peer connection that is made from now on. Without `candidates` nothing comes of any: what the browser finds
 * out about its addresses is told to nobody.
 */
export function watchPeerConnections({ candidates = true }: { candidates?: boolean } = {}): void {
  const made: RTCPeerConnection[] = []
  const channels: RTCDataChannel[] = []
  class WatchedPeerConnection extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration)
      made.push(this)
      this.addEventListener('datachannel', ({ channel }) => channels.push(channel))
    }

    override createDataChannel(label: string, options?: RTCDataChannelInit): RTCDataChannel {
      const channel = super.createDataChannel(label, options)
      channels.push(channel)
      return channel
    }

    override set onicecandidate(listener: typeof RTCPeerConnection.prototype.onicecandidate) {
      super.onicecandidate = candidates ? listener : null
    }
  }
  Object.assign(globalThis, { made, channels, RTCPeerConnection: WatchedPeerConnection })
}

/** Runs in a page: a peer that serves, and takes the first connection; gives its ticket. */
export async function serveTab({ relay, options = {} }: { relay: string; options?: object }): Promise<string> {
  const peer = await anypath.Peer.create({ alpns: ['test/1'], relays: [relay], ...options })
  const tab: Tab = { peer, selected: [] }
  Object.assign(globalThis, { tab })
  void (async () => {
    for await (const connection of peer.incoming) {
      tab.connection = connection
      connection.on('path', ({ change, kind }) => {
        if (change === 'selected') tab.selected.push(kind)
      })
    }
  })()
  await peer.online({ timeoutMs: 30_000 })
  return String(await peer.ticket())
}

/** Runs in a page: dials what `serveTab` gave; tells how long it took until there was a connection, and until it was direct. */
export async function dialTab(dialled: {
  relay: string
  ticket: string
  options?: object
}): Promise<{ connectedMs: number; kind: string | undefined }> {
  const peer = await anypath.Peer.create({ relays: [dialled.relay], ...dialled.options })
  const begin = performance.now()
  const connection = await peer.connect(dialled.ticket, { alpn: 'test/1', timeoutMs: 30_000 })
  const connectedMs = performance.now() - begin
  const tab: Tab = { peer, connection, selected: [] }
  connection.on('path', ({ change, kind }) => {
    if (change === 'selected') tab.selected.push(kind)
  })
  Object.assign(globalThis, { tab })
  return { connectedMs, kind: connection.paths[0]?.kind }
}

/** What a tab tells of its connection. */
export interface TabPaths {
  /** The path in use first. */
  readonly kinds: readonly string[]
  readonly hosts: readonly string[]
  readonly selected: readonly string[]
  readonly state: string | undefined
}

/** Runs in a page. */
export function pathsOfTab(): TabPaths {
  const { connection, selected } = (globalThis as unknown as { tab: Tab }).tab
  const paths = connection?.paths ?? []
  return {
    kinds: paths.map(({ kind }) => kind),
    hosts: paths.map(({ host }) => host),
    selected,
    state: connection?.state,
  }
}

/** Runs in a page: what its peer connections say that are not closed, by the browser's own statistics. */
export async function channelStats(): Promise<{ open: number; bytesSent: number; bytesReceived: number }> {
  const { made } = globalThis as unknown as { made: RTCPeerConnection[] }
  const sum = { open: 0, bytesSent: 0, bytesReceived: 0 }
  for (const connection of made) {
    if (connection.signalingState === 'closed') continue
    sum.open += 1
    for (const report of (await connection.getStats()).values()) {
      if (report.type !== 'candidate-pair' || report.state !== 'succeeded') continue
      sum.bytesSent += report.bytesSent ?? 0
      sum.bytesReceived += report.bytesReceived ?? 0
    }
  }
  return sum
}

/** Runs in a page: all that is known of its connection and of its channels, for whoever wonders why nothing moves. */
export async function accountOfTab(): Promise<string> {
  const { tab, made, channels } = globalThis as unknown as {
    tab: Tab
    made: RTCPeerConnection[]
    channels: RTCDataChannel[]
  }
  return JSON.stringify({
    state: tab.connection?.state,
    selected: tab.selected,
    connection: await tab.connection?.getStats(),
    peer: await tab.peer.stats(),
    peerConnections: made.map(({ signalingState, connectionState, iceConnectionState }) => [
      signalingState,
      connectionState,
      iceConnectionState,
    ]),
    channels: channels.map(({ readyState, bufferedAmount }) => ({ readyState, bufferedAmount })),
  })
}

/** Runs in a page: ends its peer connections under the peer, as a browser does whose network is gone; gives how many. */
export function killChannels(): number {
  const { made } = globalThis as unknown as { made: RTCPeerConnection[] }
  const open = made.filter(({ signalingState }) => signalingState !== 'closed')
  for (const connection of open) connection.close()
  return open.length
}

/**
 * Runs in a page: what its channels are given goes nowhere from now on, of which the browser knows nothing. `stuck`: nor do they take it, as
 * if the event that they have room were lost. Gives how many.
 */
export function muteChannels({ stuck }: { stuck: boolean }): number {
  const { channels } = globalThis as unknown as { channels: RTCDataChannel[] }
  const open = channels.filter(({ readyState }) => readyState === 'open')
  for (const channel of open) {
    channel.send = () => {}
    if (!stuck) continue
    channel.onbufferedamountlow = null
    Object.defineProperty(channel, 'bufferedAmount', { get: () => 1 << 20 })
  }
  return open.length
}

/** Runs in a page: sends pseudo-random bytes on a one-way stream; gives their SHA-256. */
export async function sendInTab(bytes: number): Promise<string> {
  const { connection } = (globalThis as unknown as { tab: Required<Tab> }).tab
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

/** Runs in a page: the SHA-256 of what comes on the next one-way stream, and how long its bytes took to come. */
export async function receiveInTab(): Promise<{ hash: string; ms: number }> {
  const { connection } = (globalThis as unknown as { tab: Required<Tab> }).tab
  const streams = connection.incomingUnidirectionalStreams.getReader()
  const { value } = await streams.read()
  streams.releaseLock()
  const begin = performance.now()
  const bytes = await new Response(value as unknown as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer()
  const ms = performance.now() - begin
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return { hash: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''), ms }
}

/** Runs in a page: closes its peer. */
export async function closeTab(): Promise<void> {
  await (globalThis as unknown as { tab: Tab }).tab.peer.close({ closeCode: 5, reason: 'done' })
}
