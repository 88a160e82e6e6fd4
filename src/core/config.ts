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
}

export interface CoreFlags {
  readonly accept: boolean
  readonly askBeforeHandshake: boolean
  readonly earlyData: boolean
  readonly qlog: boolean
  readonly discoverMtu: boolean
  readonly classicalOnly: boolean
}

/** In the order of the encoding. */
export interface CoreLimits {
  readonly maxConnections: number
  readonly maxConnectionsPerRemote: number
  readonly maxConnectionsPerAddress: number
  readonly maxHandshakes: number
  readonly retryAbove: number
  readonly handshakeTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly keepAliveMs: number
  readonly streamReceiveWindowBytes: number
  readonly receiveWindowBytes: number
  readonly sendWindowBytes: number
  readonly maxBidirectionalStreams: number
  readonly maxUnidirectionalStreams: number
  readonly datagramReceiveBufferBytes: number
  readonly datagramSendBufferBytes: number
  readonly initialMtuBytes: number
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
    .u32(encodeFlags(config.flags))
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
  return writer.written.slice()
}

function encodeFlags(flags: CoreFlags): number {
  return (
    (flags.accept ? 1 : 0) |
    (flags.askBeforeHandshake ? 2 : 0) |
    (flags.earlyData ? 4 : 0) |
    (flags.qlog ? 8 : 0) |
    (flags.discoverMtu ? 16 : 0) |
    (flags.classicalOnly ? 32 : 0)
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
