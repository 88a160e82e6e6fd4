/** What a room needs of a peer. `Peer` of either build of the package has it; the room itself imports none. */

export interface ChatStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array> & { sendOrder?: number }
}

export interface ChatPath {
  readonly pathId: number
  readonly kind: string
  readonly rttMs: number
}

/** What a path has carried since it was opened. */
export interface ChatPathStats {
  readonly pathId: number
  readonly bytesSent: number
  readonly bytesReceived: number
}

export interface ChatConnection {
  /** The remote's public key, 64 hexadecimal digits, proven by the handshake. */
  readonly remoteId: string
  readonly incoming: boolean
  readonly alpn: string
  /** Those that are open; the one in use first. */
  readonly paths: readonly ChatPath[]
  readonly rttMs: number
  readonly state: string
  readonly ready: Promise<unknown>
  readonly closed: Promise<{ readonly closeCode: number; readonly reason: string }>
  readonly incomingBidirectionalStreams: ReadableStream<ChatStream>
  createBidirectionalStream(options?: { sendOrder?: number }): Promise<ChatStream>
  getStats(): Promise<{ readonly paths: readonly ChatPathStats[] }>
  ping(): void
  close(info?: { closeCode?: number; reason?: string }): void
  on(type: 'state' | 'path', listener: () => void): void
}

export interface ChatPeer {
  /** This peer's public key, 64 hexadecimal digits. */
  readonly id: string
  readonly incoming: AsyncIterable<ChatConnection>
  ticket(): Promise<{ toString(): string; readonly addresses: readonly unknown[] }>
  connect(ticket: string, options: { alpn: string; signal?: AbortSignal; timeoutMs?: number }): Promise<ChatConnection>
}

/** The ALPN of the room's protocol. */
export const CHAT_ALPN = 'anypath-chat/1'

/** Application close codes (RFC 9000 section 20.2). After the first two the member is gone for good. */
export const CloseCode = {
  left: 0,
  stopped: 1,
  stranger: 2,
  protocol: 3,
  duplicate: 4,
  full: 5,
  tooSlow: 6,
  broken: 7,
} as const

/** Codes with which a stream of a file is reset. */
export const StreamCode = { cancelled: 1, busy: 2, unreadable: 3 } as const
