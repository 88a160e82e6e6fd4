/**
 * Sizes, counts and times that bound what a peer spends. Times are milliseconds, sizes bytes.
 *
 * What every connection may use at most is the receive windows plus the send window, so the limits on connections bound the
 * memory of the whole peer.
 */
export interface Limits {
  /** Connections at the same time, incoming and outgoing together. @default 10_000 */
  readonly maxConnections: number
  /** Incoming connections per remote id. @default 64 */
  readonly maxConnectionsPerRemote: number
  /** Incoming connections per IP address (IPv6: per /64). @default 256 */
  readonly maxConnectionsPerAddress: number
  /** Incoming handshakes under way at the same time; those over one relay, which may invent its clients, are at most half of them. @default 1024 */
  readonly maxHandshakes: number
  /** Handshakes under way above which an address must prove itself by a Retry (RFC 9000 section 8.1.2). @default 64 */
  readonly retryAbove: number
  /** Accepted connections that wait for the application in `peer.incoming`; further ones are closed. @default 256 */
  readonly incomingBacklog: number
  /** How long a handshake may take, in each direction. @default 10_000 */
  readonly handshakeTimeoutMs: number
  /** Silence after which a connection is closed (RFC 9000 section 10.1); the smaller value of both sides counts. @default 120_000 */
  readonly idleTimeoutMs: number
  /**
   * Silence after which a PING is sent, so that mappings stay open and a dead peer is noticed; 0 turns it off. Above 4500 a remote is asked after
   * 4.5 s of silence all the same, and the session is `recovering` until it answers.
   *
   * @default 2500
   */
  readonly keepAliveMs: number
  /**
   * Unread bytes that one stream may hold (RFC 9000 section 4.1): its speed is this in each round trip. Above 2.4 MB a stream that loses every
   * other packet, as in a slow start into a full queue, has more gaps than noq allows, and loses its connection.
   *
   * @default 2_400_000
   */
  readonly streamReceiveWindowBytes: number
  /** Unread bytes that one connection may hold. @default 16 MiB */
  readonly receiveWindowBytes: number
  /**
   * Unacknowledged bytes that one connection may hold: its speed is at most this in each round trip. More than a receiving socket's buffer
   * (4 MiB is asked of the system) overflows it on a fast short path.
   *
   * @default 3 MiB
   */
  readonly sendWindowBytes: number
  /** Bidirectional streams that the remote may have open (RFC 9000 section 4.6). @default 256 */
  readonly maxBidirectionalStreams: number
  /** Unidirectional streams that the remote may have open. @default 256 */
  readonly maxUnidirectionalStreams: number
  /** Received datagrams that the core holds until they are delivered. @default 1 MiB */
  readonly datagramReceiveBufferBytes: number
  /** Datagrams that wait to be sent; the oldest are dropped beyond it. @default 1 MiB */
  readonly datagramSendBufferBytes: number
  /** UDP payload before path MTU discovery (RFC 9000 section 14.1). @default 1200 */
  readonly initialMtuBytes: number
  /** UDP payload at which path MTU discovery stops. @default 1452 */
  readonly maxMtuBytes: number
}

const KIB = 1024
const MIB = 1024 * KIB

/** What is used for every limit that is left out. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  maxConnections: 10_000,
  maxConnectionsPerRemote: 64,
  maxConnectionsPerAddress: 256,
  maxHandshakes: 1024,
  retryAbove: 64,
  incomingBacklog: 256,
  handshakeTimeoutMs: 10_000,
  idleTimeoutMs: 120_000,
  keepAliveMs: 2500,
  streamReceiveWindowBytes: 2_400_000,
  receiveWindowBytes: 16 * MIB,
  sendWindowBytes: 3 * MIB,
  maxBidirectionalStreams: 256,
  maxUnidirectionalStreams: 256,
  datagramReceiveBufferBytes: MIB,
  datagramSendBufferBytes: MIB,
  initialMtuBytes: 1200,
  maxMtuBytes: 1452,
})

const U32_MAX = 0xffff_ffff

/** The smallest and largest value of each limit, both allowed. */
export const LIMIT_RANGES: Readonly<Record<keyof Limits, readonly [number, number]>> = {
  maxConnections: [1, U32_MAX],
  maxConnectionsPerRemote: [1, U32_MAX],
  maxConnectionsPerAddress: [1, U32_MAX],
  maxHandshakes: [1, U32_MAX],
  retryAbove: [0, U32_MAX],
  incomingBacklog: [1, U32_MAX],
  handshakeTimeoutMs: [1, U32_MAX],
  idleTimeoutMs: [1, U32_MAX],
  keepAliveMs: [0, U32_MAX],
  streamReceiveWindowBytes: [KIB, U32_MAX],
  receiveWindowBytes: [KIB, U32_MAX],
  sendWindowBytes: [KIB, U32_MAX],
  maxBidirectionalStreams: [0, U32_MAX],
  maxUnidirectionalStreams: [0, U32_MAX],
  datagramReceiveBufferBytes: [0, U32_MAX],
  datagramSendBufferBytes: [0, U32_MAX],
  // QUIC needs 1,200 bytes (RFC 9000 section 14); a UDP payload has at most 65,527.
  initialMtuBytes: [1200, 65_527],
  maxMtuBytes: [1200, 65_527],
}
