/**
 * What the driver needs from anything that moves datagrams.
 *
 * One transport is one carrier: one UDP socket, one in-memory port, later one WebRTC channel. Transports know addresses as
 * text and number and packets as bytes; they never see the core.
 */
export interface Transport {
  readonly kind: 'udp' | 'memory'
  /** The largest packet that it carries, bytes of UDP payload. */
  readonly maxPacketBytes: number
  /** Whether packets above 1,200 bytes are dropped rather than fragmented on the way, so that path MTU discovery tells the truth. */
  readonly discoversMtu: boolean
  /** Bytes that its queue takes now. Zero until `TransportEvents.writable`. What is sent beyond it is dropped and counted. */
  readonly writableBytes: number
  /** Bytes accepted by `send` that the platform has not taken yet. */
  readonly queuedBytes: number
  /** Packets that its bounded queue dropped or whose send failed, by cause; counts only grow. */
  readonly drops: Readonly<Record<string, number>>

  /**
   * Opens it.
   *
   * @throws AnypathError `AddressInUse` when another process has the port, `TransportFailed` when it can't be opened otherwise.
   */
  start(events: TransportEvents): Promise<void>
  /** Where it can be reached now; empty before `start` and after `close`. */
  localAddresses(): readonly TransportAddress[]
  /**
   * Sends packets to one address: `packets` is cut every `segmentBytes` bytes, or one packet when that is 0.
   * The bytes stay as they are until `queuedBytes` is zero again; a transport that needs them longer copies them.
   */
  send(address: TransportAddress, packets: Uint8Array<ArrayBuffer>, segmentBytes: number): void
  /**
   * Another one like it, at the same local address and at a port of its own, which is not open yet. The peer needs many for a short time
   * behind a NAT that draws ports at random; without this it finds no direct path there.
   */
  another?(): Transport
  /**
   * Lets something else live on its socket: datagrams that begin as STUN's and DTLS's do (below 64: RFC 7983, RFC 9443) are the guest's, where it
   * takes them. There is one guest at most; a later one takes the place of the former.
   */
  share?(guest: SocketGuest): void
  /** Releases it. Idempotent; nothing is received afterwards. */
  close(): Promise<void>
}

/** Who shares a transport's socket. */
export interface SocketGuest {
  /** Takes a datagram; false when it is for somebody else. `data` is only valid during the call. */
  receive(host: string, port: number, data: Uint8Array): boolean
}

/** An IP address (or a virtual one) as text, without brackets; IPv4 is never shown as IPv6-mapped. */
export interface TransportAddress {
  readonly host: string
  readonly port: number
}

export interface TransportEvents {
  /** A packet came in. `data` is only valid during the call; `ecn` is 0 where it is unknown. */
  receive(host: string, port: number, data: Uint8Array, ecn: number): void
  /** `writableBytes` is above zero again. */
  writable(): void
  /** Its local addresses changed, for example after it was bound anew. */
  changed(): void
  /** It is gone and delivers nothing any more. */
  failed(cause: Error): void
}

/**
 * What the driver needs to have a router forward a port to the main socket. Nothing of it rejects or throws: without a router that does, a
 * peer goes on as it is.
 */
export interface PortMapping {
  readonly stats: PortMappingStats
  /** Called once, before anything else. `mapped` is told where routers forward to the main socket from then on. */
  start(mapped: (addresses: readonly TransportAddress[]) => void): void
  /** The main socket is reached at these addresses of this machine, perhaps in another network: everything begins anew. */
  update(addresses: readonly TransportAddress[]): void
  /** Gives back what was forwarded, and ends; within about a second. Idempotent. */
  close(): Promise<void>
}

/** What has come of port mapping. Counts only grow. */
export interface PortMappingStats {
  /** What the router was asked by; `undefined` while it forwards nothing. */
  readonly protocol: 'pcp' | 'nat-pmp' | 'upnp' | undefined
  /** Where the router forwards from; behind another NAT nobody is told of it. */
  readonly external: TransportAddress | undefined
  /** Why no remote is told of a forwarded port, as a sentence for people. */
  readonly failure: string | undefined
  /** Requests sent to routers, repetitions included. */
  readonly requests: number
  /** How often an address and port were obtained. */
  readonly obtained: number
  /** How often a router ceased to forward. */
  readonly lost: number
  /** What was of no use, by cause. */
  readonly drops: Readonly<Record<string, number>>
}

/**
 * What the driver needs to reach relays: something that opens WebSockets to them. What is said over one is the core's business.
 */
export interface RelayDialer {
  /**
   * Opens the WebSocket of a relay. Never throws: what fails is told by `closed`, in a later turn.
   *
   * @param url the relay's URL, `http:` or `https:`.
   */
  dial(url: string, events: RelaySocketEvents): RelaySocket
  /**
   * Keeps the process from ending while relays are wanted and none is connected, until what it gives is called. Not needed where pages
   * decide about that.
   */
  hold?(): () => void
}

/** One WebSocket to a relay. */
export interface RelaySocket {
  /** Bytes accepted by `send` that have not left for the network. */
  readonly queuedBytes: number
  /** Sends one binary message; before `opened` and after `closed` it does nothing. The bytes are the caller's again at once. */
  send(message: Uint8Array<ArrayBuffer>): void
  /** Closes it. Idempotent; no event comes afterwards. */
  close(): void
}

export interface RelaySocketEvents {
  /** It is open and speaks this version of the relay protocol. */
  opened(version: 1 | 2): void
  /** A binary message. `data` is only valid during the call. */
  message(data: Uint8Array): void
  /** It was closed, or could not be opened; told once. */
  closed(reason: string): void
}

/** What the driver needs to open WebTransport sessions to peers. What is said over one is the core's business. */
export interface WebTransportDialer {
  /**
   * Whether sessions can be opened to a peer at all.
   *
   * @param name as addresses over TCP have it: a host's name, or an empty text without TLS; `undefined` for HTTP/3.
   */
  takes(name: string | undefined): boolean
  /**
   * Opens a session. Never throws: what fails is told by `closed`, in a later turn.
   *
   * @param url with the address and the path: `https:`, or over TCP `wss:` or `ws:`.
   * @param hashes SHA-256 of the certificates that the peer may show.
   */
  dial(url: string, hashes: readonly Uint8Array<ArrayBuffer>[], events: PacketSessionEvents): PacketSession
}

/** One session that carries packets. */
export interface PacketSession {
  /** Bytes that its queue takes now; what is sent beyond it is dropped. All of it when nothing has moved for seconds: it holds nobody up then. */
  readonly writableBytes: number
  /**
   * Sends packets: `packets` is cut every `segmentBytes` bytes, or one packet when that is 0. Before `opened` and after `closed` it does
   * nothing. The bytes are the caller's again at once.
   */
  send(packets: Uint8Array, segmentBytes: number): void
  /** Closes it, when what was sent has left or soon after. Idempotent; no event comes afterwards. */
  close(): void
}

export interface PacketSessionEvents {
  /** Packets can be sent. */
  opened(): void
  /** A packet came in. `data` is only valid during the call. */
  packet(data: Uint8Array): void
  /** Its queue has room again. */
  writable(): void
  /** Resolves when what has come was looked at. */
  pause(): Promise<void>
  /** A packet found its bounded queue full. */
  dropped(): void
  /** It was closed, or could not be opened; told once. Browsers do not say much about why, so that a page learns nothing about networks. */
  closed(): void
}

/** What the driver needs to be dialled by sessions that come to this process: from whom they are, nobody knows yet. */
export interface SessionListener {
  /**
   * Begins to listen.
   *
   * @param accept is told of each session and where it comes from, and gives what is told of it.
   * @throws AnypathError `AddressInUse`, `TransportFailed` or `InvalidConfig`.
   */
  start(accept: AcceptSession): Promise<void>
  /** Closes the port and every session. Idempotent. */
  close(): Promise<void>
}

/** Takes a session that `begin` makes; its `opened` is told at once. */
export type AcceptSession = (from: TransportAddress, begin: (events: PacketSessionEvents) => PacketSession) => void

/** What the driver's owner needs to make WebRTC data channels with peers. How the two sides learn of each other's signals is not its business. */
export interface ChannelMaker {
  /**
   * Begins to negotiate a channel. Never throws: what fails is told by `closed`, in a later turn.
   *
   * @param initiator whether this side makes the offer.
   */
  negotiate(initiator: boolean, events: ChannelEvents): Channel
}

/** One data channel with a peer. */
export interface Channel extends PacketSession {
  /** Where the peer is, while it is known: an address that the browser hides is empty. */
  readonly place: TransportAddress
  /** Takes a signal of the peer's; what is none is dropped. */
  signal(signal: ChannelSignal): void
}

/** What one side tells the other: a session description (RFC 8829) or an ICE candidate (RFC 8839). */
export type ChannelSignal =
  | { readonly type: 'offer' | 'answer'; readonly sdp: string }
  | {
      readonly type: 'candidate'
      readonly candidate: string
      readonly sdpMid: string | null
      readonly sdpMLineIndex: number | null
    }

export interface ChannelEvents extends PacketSessionEvents {
  /** To be taken to the peer's `signal`. */
  signal(signal: ChannelSignal): void
  /** Nothing comes through for now; `opened` follows when it does again, or else `closed`. */
  interrupted(): void
  /** A message was no packets. */
  malformed(): void
}
