import { createError } from '../errors/index.js'
import { ByteWriter } from './bytes.js'

/** Everything that a core is constructed with; see "Construction" in `docs/boundary.md`. */
export interface CoreConfig {
  readonly secretKey: Uint8Array
  /** 32 bytes that seed random choices and connection ids, never key material. */
  readonly seed: Uint8Array
  readonly epochMs: number
  readonly flags: CoreFlags
  readonly logLevel: number
  readonly congestion: 'cubic' | 'new-reno' | 'bbr'
  readonly limits: CoreLimits
  readonly alpns: readonly Uint8Array[]
  /** The listener for browsers, in the core for Node. */
  readonly webTransport?: { readonly maxSessions: number } | undefined
  readonly addressDiscovery?: CoreAddressDiscovery | undefined
}

/** The address-discovery service. */
export interface CoreAddressDiscovery {
  /** X.509 in DER, the server's own certificate first. */
  readonly certificateChain: readonly Uint8Array[]
  /** PKCS #8 in DER. */
  readonly privateKey: Uint8Array
  readonly maxClients: number
  readonly maxClientsPerAddress: number
  readonly maxAgeMs: number
}

export interface CoreFlags {
  readonly accept: boolean
  readonly askBeforeHandshake: boolean
  readonly earlyData: boolean
  readonly qlog: boolean
  readonly discoverMtu: boolean
  readonly classicalOnly: boolean
  /** Answers STUN's Binding requests (RFC 8489) on UDP. */
  readonly stun: boolean
}

/** In the order of the encoding. */
export interface CoreLimits {
  /** Incoming and outgoing together. */
  readonly maxConnections: number
  /** Incoming, per remote id. */
  readonly maxConnectionsPerRemote: number
  /** Incoming, per IP address (IPv6: per /64). */
  readonly maxConnectionsPerAddress: number
  /** Incoming handshakes under way. */
  readonly maxHandshakes: number
  /** Handshakes under way above which an address has to be validated by a Retry (RFC 9000 section 8.1.2). */
  readonly retryAbove: number
  readonly handshakeTimeoutMs: number
  readonly idleTimeoutMs: number
  /** 0 = off. */
  readonly keepAliveMs: number
  /** Bytes that one stream may have unread. */
  readonly streamReceiveWindowBytes: number
  /** Bytes that one connection may have unread. */
  readonly receiveWindowBytes: number
  /** Bytes that one connection may have unacknowledged. */
  readonly sendWindowBytes: number
  /** Streams that the remote may have open. */
  readonly maxBidirectionalStreams: number
  readonly maxUnidirectionalStreams: number
  readonly datagramReceiveBufferBytes: number
  readonly datagramSendBufferBytes: number
  /** UDP payload bytes sent before path MTU discovery. */
  readonly initialMtuBytes: number
  /** Where path MTU discovery stops; also bounded by every transport's largest packet. */
  readonly maxMtuBytes: number
}

const WIDE_LIMITS = [
  'maxConnections',
  'maxConnectionsPerRemote',
  'maxConnectionsPerAddress',
  'maxHandshakes',
  'retryAbove',
  'handshakeTimeoutMs',
  'idleTimeoutMs',
  'keepAliveMs',
  'streamReceiveWindowBytes',
  'receiveWindowBytes',
  'sendWindowBytes',
  'maxBidirectionalStreams',
  'maxUnidirectionalStreams',
  'datagramReceiveBufferBytes',
  'datagramSendBufferBytes',
] as const satisfies readonly (keyof CoreLimits)[]

const CONGESTION = ['cubic', 'new-reno', 'bbr'] as const

/**
 * Encodes the bytes that a core is constructed with.
 *
 * @throws AnypathError `InvalidKey` or `InvalidConfig`, naming the field.
 */
export function encodeConfig(config: CoreConfig): Uint8Array<ArrayBuffer> {
  if (config.secretKey.length !== 32)
    throw createError('InvalidKey', `secretKey has ${config.secretKey.length} bytes, not 32`)
  const writer = new ByteWriter()
  writer.u8(1).bytes(config.secretKey).bytes(seed('seed', config.seed))
  writer
    .f64(config.epochMs)
    .u32(encodeFlags(config.flags) | (config.webTransport ? 128 : 0))
    .u8(config.logLevel)
    .u8(CONGESTION.indexOf(config.congestion))
  for (const name of WIDE_LIMITS) writer.u32(bounded(name, config.limits[name], 0xffffffff))
  writer.u16(bounded('initialMtuBytes', config.limits.initialMtuBytes, 0xffff))
  writer.u16(bounded('maxMtuBytes', config.limits.maxMtuBytes, 0xffff))
  writer.u16(bounded('alpns', config.alpns.length, 0xffff))
  for (const alpn of config.alpns) {
    if (alpn.length === 0 || alpn.length > 255) throw createError('InvalidConfig', 'alpns: each has 1 to 255 bytes')
    writer.bytes8(alpn, 'alpn')
  }
  if (config.webTransport) writer.u32(bounded('webTransport.maxSessions', config.webTransport.maxSessions, 0xffffffff))
  if (config.addressDiscovery) encodeAddressDiscovery(writer, config.addressDiscovery)
  return writer.written.slice()
}

function encodeAddressDiscovery(writer: ByteWriter, service: CoreAddressDiscovery): void {
  const { certificateChain, privateKey, maxClients, maxClientsPerAddress, maxAgeMs } = service
  writer.u16(bounded('addressDiscovery.certificateChain', certificateChain.length, 0xffff))
  for (const certificate of certificateChain) writer.u32(certificate.length).bytes(certificate)
  writer.u16(bounded('addressDiscovery.privateKey', privateKey.length, 0xffff)).bytes(privateKey)
  writer.u32(bounded('addressDiscovery.maxClients', maxClients, 0xffffffff))
  writer.u32(bounded('addressDiscovery.maxClientsPerAddress', maxClientsPerAddress, 0xffffffff))
  writer.u32(bounded('addressDiscovery.maxAgeMs', maxAgeMs, 0xffffffff))
}

function encodeFlags(flags: CoreFlags): number {
  return (
    (flags.accept ? 1 : 0) |
    (flags.askBeforeHandshake ? 2 : 0) |
    (flags.earlyData ? 4 : 0) |
    (flags.qlog ? 8 : 0) |
    (flags.discoverMtu ? 16 : 0) |
    (flags.classicalOnly ? 32 : 0) |
    (flags.stun ? 64 : 0)
  )
}

function seed(name: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length !== 32) throw createError('InvalidConfig', `${name}: has ${bytes.length} bytes, not 32`)
  return bytes
}

function bounded(name: string, value: number, most: number): number {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw createError('InvalidConfig', `${name}: ${value} is no whole number from 0 to ${most}`)
  }
  return value
}
