import type { PortMappingStats } from '../transport/transport.js'

/**
 * What the public API needs from the event loop that owns a core.
 *
 * Every argument and result can be structured-cloned, so the same interface is served in process (by the driver) and over a
 * `MessagePort` (by `api/port.ts`). Methods that need an answer return a promise; errors reject with `AnypathError`.
 */
export interface Engine {
  /** The peer's own public key, 32 bytes. */
  readonly endpointId: Uint8Array

  /** The relays that are in use or tried now, the home relay among them. */
  relays(): Promise<RelayInfo[]>
  /** Socket addresses that listen now, and where routers forward to them: for tickets. */
  localAddresses(): Promise<EngineAddress[]>
  /** Starts a dial; resolves with the connection's id as soon as the attempt exists. Progress comes as events. */
  connect(request: ConnectRequest): Promise<number>
  /** Gives a connection further places where its remote may be; answers a `discover` event. */
  addAddresses(connectionId: number, targets: DialTargets): void
  /** Answers an `incoming` event. */
  admit(incomingId: number, decision: Admission): void
  /**
   * Opens a stream. While the remote allows no more it waits, or rejects with `StreamLimit` when `wait` is false (default true).
   * Rejects with the connection's error when it closes.
   */
  openStream(connectionId: number, bidirectional: boolean, wait?: boolean): Promise<number>
  /** Resolves with the next bytes (at most `maxBytes`), or `null` at the end of the stream. Rejects with `StreamReset`. */
  read(connectionId: number, streamId: number, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null>
  /** Resolves when all bytes are taken by the core (backpressure). Rejects with `StreamStopped` or the connection's error. */
  write(connectionId: number, streamId: number, bytes: Uint8Array): Promise<void>
  /** Ends the sending side; resolves when the remote has acknowledged everything. */
  finish(connectionId: number, streamId: number): Promise<void>
  /** Abandons the sending side (RESET_STREAM). */
  reset(connectionId: number, streamId: number, code: number): void
  /** Asks the remote to stop sending (STOP_SENDING). */
  stop(connectionId: number, streamId: number, code: number): void
  /** Larger is more urgent; 0 is the default. */
  setPriority(connectionId: number, streamId: number, priority: number): void
  /** Resolves when the datagram is queued. Rejects with `DatagramTooLarge` or `DatagramsUnsupported`. */
  sendDatagram(connectionId: number, bytes: Uint8Array): Promise<void>
  maxDatagramBytes(connectionId: number): Promise<number>
  /** Closes a connection; `closed` follows as an event. */
  closeConnection(connectionId: number, code: number, reason: string): void
  connectionStats(connectionId: number): Promise<ConnectionStats>
  peerStats(): Promise<PeerStats>
  /** Sends a PING and lets the round-trip time be measured again. */
  ping(connectionId: number): void
  /** Starts a key update (RFC 9001 section 6). */
  keyUpdate(connectionId: number): void
  /** Tells the core that local addresses changed; live connections are probed at once. */
  networkChanged(): void
  /** Tells whether timers run on time: those of a hidden page do not. */
  setVisible(visible: boolean): void
  /** Lets what is due happen now: for where timers are kept from running. */
  wake(): void
  /** Tells that time has passed in which nothing ran: relays and connections are probed at once. */
  resumed(): void
  /**
   * Answers a `requested` event of a session with an HTTP status: from 200 to 299 accepts. Resolves with false when the question is no
   * longer open. A session's id works as a connection's from then on.
   */
  answerSession(sessionId: number, status: number): Promise<boolean>
  /** What browsers know this peer by: now, and afterwards. Empty where none are listened for. */
  webTransportCertificates(): Promise<WebTransportCertificate[]>
  parseTicket(text: string): Promise<TicketParts>
  formatTicket(parts: TicketParts): Promise<string>
  /** Closes every connection, waits until closes are sent (at most `timeoutMs`), releases sockets and the core. Idempotent. */
  close(code: number, reason: string, timeoutMs: number): Promise<void>
  /** Registers the one listener; events arrive in order, never while a call into the engine is running. */
  onEvent(listener: (event: EngineEvent) => void): void
}

export type Admission = 'accept' | 'refuse' | 'retry' | 'ignore'

/** A socket address as text and number; IPv4 is never shown as IPv6-mapped. */
export interface EngineAddress {
  /** Which carrier it belongs to: 0 is the main UDP socket. */
  readonly carrier: number
  readonly transport: 'udp' | 'memory'
  readonly host: string
  readonly port: number
  /** Whether it is a router's that forwards to the socket, and no address of this machine. */
  readonly mapped?: true
}

/** Where a peer may be: sockets by carrier, and relays by URL. A delay is counted from the dial. */
export interface DialTargets {
  readonly addresses: readonly (Omit<EngineAddress, 'transport'> & { readonly delayMs?: number })[]
  /** Ignored where no relays are configured. */
  readonly relays: readonly { readonly url: string; readonly delayMs?: number }[]
  /** Where sessions can be opened to the peer, as its ticket has it. Ignored where no sessions can be opened. */
  readonly webTransport?: readonly Uint8Array[]
  /** Its ticket says that it is another program's peer: it is asked for nothing that only peers of this library have. */
  readonly isForeign?: true
}

export interface ConnectRequest extends DialTargets {
  readonly remoteId: Uint8Array
  readonly alpn: Uint8Array
  readonly earlyData: boolean
}

/** Why a relay is in the state that it is in. */
export type RelayCause =
  | 'none'
  | 'opened'
  | 'closed'
  | 'timeout'
  | 'denied'
  | 'key-in-use'
  | 'restarting'
  | 'unused'
  | 'protocol-error'
  | 'health'
  | 'chosen'

/** A relay as this peer sees it. */
export interface RelayInfo {
  readonly url: string
  /** `waiting` is between two tries; `closed` is told once, of a relay that is not used any more. */
  readonly state: 'closed' | 'connecting' | 'authenticating' | 'connected' | 'waiting'
  /** Whether it is this peer's home relay: the one at which others reach it. */
  readonly home: boolean
  /** What led to the state; `key-in-use`: the same key is connected to it elsewhere. */
  readonly cause: RelayCause
  /** Its round-trip time when it was last measured. */
  readonly latencyMs?: number
  /** When it is tried again. */
  readonly retryInMs?: number
  /** What the relay or the platform said. */
  readonly detail?: string
}

/** One address of a ticket. Unknown kinds are kept verbatim. */
export type TicketAddressParts =
  | { readonly kind: 'relay'; readonly url: string }
  | { readonly kind: 'ip'; readonly host: string; readonly port: number }
  | { readonly kind: 'custom'; readonly transportId: bigint; readonly data: Uint8Array }
  | { readonly kind: 'unknown'; readonly data: Uint8Array }

export interface TicketParts {
  readonly id: Uint8Array
  readonly anypath: boolean
  readonly addresses: readonly TicketAddressParts[]
}

export type PathKind = 'udp' | 'memory' | 'relay' | 'webtransport' | 'webrtc'

export interface PathInfo {
  readonly pathId: number
  readonly kind: PathKind
  /** Where the remote is; for a relay the relay's host. */
  readonly host: string
  readonly port: number
  /** The relay's URL, when `kind` is `relay`. */
  readonly relay?: string
  /** Whether a session, when `kind` is `webtransport`, goes over TCP and not over HTTP/3. */
  readonly tcp?: true
  readonly rttMs: number
}

/** Discovery is asked for the addresses of a remote that is dialled; it has some; or there will be no connection. */
export type LookupChange = 'begun' | 'found' | 'failed'

export type SessionState =
  | 'idle'
  | 'discovering'
  | 'connecting'
  | 'relayed'
  | 'traversing'
  | 'direct'
  | 'recovering'
  | 'reconnecting'
  | 'failed'
  | 'closed'

export type TransitionCause =
  | 'dial'
  | 'accepted'
  | 'handshake'
  | 'silence'
  | 'answer'
  | 'path-change'
  | 'network-change'
  | 'timeout'
  | 'error'
  | 'close'
  | 'candidates'

export interface ConnectedInfo {
  readonly remoteId: Uint8Array
  readonly incoming: boolean
  /** True while only early data can flow: the remote is not authenticated yet; a second `connected` follows. */
  readonly early: boolean
  /** IANA TLS group number (0x11ec = X25519MLKEM768, 0x001d = X25519). */
  readonly group: number
  /** IANA TLS cipher suite number (0x1303 = ChaCha20-Poly1305). */
  readonly cipher: number
  readonly resumed: boolean
  readonly alpn: Uint8Array
  readonly path: PathInfo
}

/** A round of NAT traversal, or an attempt of the birthday scheme, that is over. */
export interface SearchInfo {
  /** Who searched: QUIC's NAT traversal with the candidates of both sides, or many sockets and ports. */
  readonly scheme: 'candidates' | 'birthday'
  /**
   * How the path was found that is in use now: at an address that the remote had told, at one that its packets showed (peer-reflexive, RFC 8445
   * section 7.3.1.3), or where two probes of the birthday scheme met; `nothing` where the next round may find one.
   */
  readonly found: 'nothing' | 'told' | 'peer-reflexive' | 'collision'
  /** Where the remote is; absent where nothing was found. */
  readonly remote?: { readonly host: string; readonly port: number }
  /** The round's number since the connection had no direct path, from 1; 0 where a remote at public addresses was dialled, which takes no round. */
  readonly round: number
  /** How many addresses the remote has told. */
  readonly candidates: number
  /** Probes that were sent, answers to the remote's included, since the first round. */
  readonly probes: number
  /** Time since the first round began, milliseconds. */
  readonly elapsedMs: number
}

export type EngineEvent =
  | { readonly type: 'connected'; readonly connectionId: number; readonly info: ConnectedInfo }
  | {
      readonly type: 'closed'
      readonly connectionId: number
      /** The error table's code. */
      readonly code: number
      readonly by: 'local' | 'remote' | 'transport'
      /** The application's close code, or QUIC's. */
      readonly wireCode: number
      readonly reason: string
    }
  | {
      readonly type: 'stream'
      readonly connectionId: number
      readonly streamId: number
      readonly bidirectional: boolean
    }
  | { readonly type: 'stopped'; readonly connectionId: number; readonly streamId: number; readonly code: number }
  | { readonly type: 'datagram'; readonly connectionId: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | {
      readonly type: 'path'
      readonly connectionId: number
      readonly change: 'established' | 'closed' | 'migrated' | 'observed' | 'selected'
      readonly path: PathInfo
    }
  | {
      readonly type: 'state'
      readonly connectionId: number
      readonly from: SessionState
      readonly to: SessionState
      readonly cause: TransitionCause
      readonly elapsedMs: number
    }
  | { readonly type: 'search'; readonly connectionId: number; readonly search: SearchInfo }
  | { readonly type: 'early-data'; readonly connectionId: number; readonly accepted: boolean }
  | {
      readonly type: 'incoming'
      readonly incomingId: number
      readonly host: string
      readonly port: number
      readonly relay?: string
      readonly validated: boolean
    }
  | { readonly type: 'drained'; readonly connectionId: number }
  | { readonly type: 'lookup'; readonly remoteId: Uint8Array; readonly change: LookupChange }
  /** A connection has lost its way: its remote's addresses are wanted anew. */
  | { readonly type: 'discover'; readonly connectionId: number }
  | { readonly type: 'relay'; readonly relay: RelayInfo }
  /** The addresses of this machine have changed. */
  | { readonly type: 'network' }
  | { readonly type: 'web-transport'; readonly event: WebTransportEvent }
  /** The core is gone: every connection has failed with this message. Without a `code` of the error table it is a panic. */
  | { readonly type: 'failed'; readonly message: string; readonly code?: number }

/** A certificate that browsers are shown, and when, in milliseconds since 1970. */
export interface WebTransportCertificate {
  readonly sha256: Uint8Array<ArrayBuffer>
  readonly fromMs: number
  readonly untilMs: number
}

/** What happens to a session of a browser, whose id is `connectionId`. */
export type WebTransportEvent =
  | {
      readonly type: 'requested'
      readonly connectionId: number
      readonly host: string
      readonly port: number
      readonly authority: string
      readonly path: string
      readonly origin: string
    }
  | Extract<EngineEvent, { readonly type: 'stream' | 'stopped' | 'datagram' | 'closed' | 'drained' }>

export interface PathStats extends PathInfo {
  readonly mtuBytes: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly packetsLost: number
  readonly status: 'available' | 'backup'
}

export interface ConnectionStats {
  readonly rttMs: number
  readonly minRttMs: number
  readonly congestionWindowBytes: number
  readonly mtuBytes: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly packetsLost: number
  readonly bytesLost: number
  readonly congestionEvents: number
  readonly blackHoles: number
  readonly streamsOpen: number
  readonly group: number
  readonly cipher: number
  readonly keyUpdates: number
  readonly datagramsDropped: number
  readonly paths: readonly PathStats[]
}

/** On what of a destination the own NAT's mapping depends; `dependent`: on the address, and whether on the port too is not known. */
export type OwnNat =
  | 'unknown'
  | 'none'
  | 'endpoint-independent'
  | 'address-dependent'
  | 'address-and-port-dependent'
  | 'dependent'

/** How searches for a direct path ended. */
export interface SearchStats {
  /** At an address that the remote had told: its own, one that servers see, a predicted one or one that a router forwards. */
  readonly told: number
  /** At one that a packet of the remote showed (RFC 8445 section 4). */
  readonly peerReflexive: number
  /** At one that the birthday scheme found. */
  readonly birthday: number
  /** Rounds that came to nothing; the next one may succeed. */
  readonly failed: number
}

/** Where somebody sees this peer. */
export interface ObservedAddress {
  /** A STUN or address-discovery server, or the remote of a connection. */
  readonly by: 'server' | 'remote'
  readonly observer: { readonly host: string; readonly port: number }
  readonly mapped: { readonly host: string; readonly port: number }
  /** From the question to the answer, milliseconds; absent where nothing was asked, or more than once. */
  readonly rttMs?: number
}

export interface PeerStats {
  readonly connections: number
  readonly handshakes: number
  /** Without those that went over relays, as the three figures below. */
  readonly datagramsReceived: number
  readonly datagramsSent: number
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly malformedDropped: number
  readonly unroutedDropped: number
  readonly virtualDropped: number
  readonly retriesSent: number
  readonly refused: number
  readonly resetsSent: number
  readonly dialsStarted: number
  readonly dialsFailed: number
  readonly dialsSucceeded: number
  readonly accepted: number
  readonly incomingBytesBuffered: number
  /** Bytes of WebAssembly memory. */
  readonly memoryBytes: number
  readonly relaysConnected: number
  readonly relayMessagesSent: number
  readonly relayMessagesReceived: number
  readonly relayBytesSent: number
  readonly relayBytesReceived: number
  /** Packets for a relay that was not connected in time, or whose queue was full. */
  readonly relayDropped: number
  /** STUN requests that were answered. */
  readonly stunAnswered: number
  /** STUN requests that got no answer because their address, or all addresses together, asked too often. */
  readonly stunLimited: number
  /** Clients of the address-discovery service now. */
  readonly discoveryClients: number
  /** Clients that the address-discovery service has had. */
  readonly discoveries: number
  /** Rounds of NAT traversal that this peer began. */
  readonly traversalRounds: number
  /** Connections that came to a direct path by them. */
  readonly traversalsSucceeded: number
  /** Rounds that came to nothing. */
  readonly traversalsFailed: number
  /** From the first round to the direct path, of those that succeeded together. */
  readonly traversalMs: number
  /** Probes sent, and answers to others' probes. */
  readonly probesSent: number
  /** Probes that were not sent because no peer can be at the address, or none that is reached from here. */
  readonly probesForbidden: number
  /** Probes that were not sent because there were too many. */
  readonly probesLimited: number
  /** Direct paths that were left because they had died. */
  readonly directPathsLost: number
  /** STUN requests sent to learn this peer's own addresses, repeated ones included. */
  readonly stunRequestsSent: number
  /** Those that were answered. */
  readonly stunRequestsAnswered: number
  /** STUN answers to what was never asked, or from where it was not asked; dropped. */
  readonly stunForged: number
  /** STUN requests that were given up after the last repetition (RFC 8489 section 6.2.1). */
  readonly stunTimeouts: number
  /** Connections made to address-discovery services. */
  readonly discoveryConnects: number
  /** Addresses that those have told. */
  readonly discoveryObservations: number
  /** Direct paths that were opened in living connections. */
  readonly directPathsOpened: number
  /** What remotes said of this peer's address, too often to be listened to: eight times at once, and once a second. */
  readonly observedLimited: number
  /** Control connections (ALPN `anypath/1`) that this peer dialled; neither these nor the incoming ones count as connections. */
  readonly controlsDialled: number
  /** Control connections that a remote does not serve, or that this peer refused because nothing needed them. */
  readonly controlsRefused: number
  /** Control connections that ended because the remote broke their rules. */
  readonly controlsMalformed: number
  /** Attempts of the birthday scheme that both sides agreed on. */
  readonly birthdayAttempts: number
  /** Attempts that found a pair of ports. */
  readonly birthdayHits: number
  /** Attempts that found none. */
  readonly birthdayMisses: number
  /** Proposals of attempts that either side refused. */
  readonly birthdayRefusals: number
  /** Probes of the birthday scheme that were sent, and answers to them; not among `probesSent`. */
  readonly birthdayProbesSent: number
  /** Authentic ones that were received. */
  readonly birthdayProbesReceived: number
  /** Those whose code was wrong, or that came from or to where they do not belong. */
  readonly birthdayProbesForged: number
  /** Those that came when their attempt was over. */
  readonly birthdayProbesLate: number
  /** Sockets that were opened for attempts. */
  readonly socketsOpened: number
  /** Sockets that could not be opened, or that failed in an attempt. */
  readonly socketsFailed: number
  /** Datagrams on such sockets that came from a stranger and were dropped. */
  readonly socketsForeign: number
  /** Sessions of browsers now, those about which the application is asked and those that carry packets of peers included. */
  readonly webTransportSessions: number
  /** Sessions that were accepted. */
  readonly webTransportAccepted: number
  /** Sessions that were refused, by the application or a limit. */
  readonly webTransportRefused: number
  /** HTTP/3 connections and sessions that ended because the client broke the rules (RFC 9114 section 8). */
  readonly webTransportFaults: number
  /** HTTP datagrams (RFC 9297) for no session that was there. */
  readonly webTransportDatagramsDropped: number
  /** How the rounds that this peer began have ended, by the mapping of its own NAT at that time (RFC 4787 section 4.1). */
  readonly searches: Readonly<Record<OwnNat, SearchStats>>
  /** What servers and remotes say of this peer's address: the latest word of each, at most 64. Empty in browsers. */
  readonly observations: readonly ObservedAddress[]
  /** Datagrams that a transport's bounded queue dropped or whose send failed, by cause. */
  readonly transportDrops: Readonly<Record<string, number>>
  /** What has come of port mapping; left out where it is off. */
  readonly portMapping?: PortMappingStats
}
