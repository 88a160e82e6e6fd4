import { InvalidConfigError } from '../errors/index.js'
import { integer, isRecord, nothingElse, oneOf, wrong } from './expect.js'
import { DEFAULT_LIMITS, LIMIT_RANGES, type Limits } from './limits.js'
import { resolveRelays } from './relays.js'
import type { IceServer, PersistSettings, ResolvedSettings, Settings } from './settings.js'

const CONGESTION = ['cubic', 'new-reno', 'bbr'] as const
const MAX_ICE_SERVERS = 8
const RESERVED = ['h3', 'anypath/1', 'anypath/webrtc/1']
const WEB_RTC_IMPLEMENTATIONS = ['built-in', 'installed'] as const
const WHEN_IN_USE = ['fail', 'fresh-key'] as const

/**
 * Checks settings and fills in the defaults.
 *
 * @param randomBytes makes the secret key when none is given.
 * @throws InvalidConfigError naming the field, what it has to be, and what it is.
 */
export function resolveSettings(settings: Settings, randomBytes: (length: number) => Uint8Array): ResolvedSettings {
  return {
    secretKey: settings.secretKey === undefined ? randomBytes(32) : secretKey(settings.secretKey),
    persist: persist(settings),
    alpns: settings.alpns === undefined ? [] : alpns(settings.alpns),
    limits: settings.limits === undefined ? DEFAULT_LIMITS : limits(settings.limits),
    earlyData: flag('earlyData', settings.earlyData),
    classicalOnly: flag('classicalOnly', settings.classicalOnly),
    congestion: settings.congestion === undefined ? 'cubic' : oneOf('congestion', settings.congestion, CONGESTION),
    udp: settings.udp ?? {},
    directPaths: settings.directPaths === undefined || flag('directPaths', settings.directPaths),
    portMapping: settings.portMapping === undefined ? undefined : flag('portMapping', settings.portMapping),
    lan: settings.lan === undefined ? undefined : flag('lan', settings.lan),
    webTransport: settings.webTransport || undefined,
    webRtc: webRtc(settings.webRtc),
    relays: settings.relays === undefined ? [] : resolveRelays(settings.relays),
  }
}

function secretKey(value: unknown): Uint8Array {
  if (value instanceof Uint8Array && value.length === 32) return value.slice()
  if (typeof value === 'string' && /^[0-9a-fA-F]{64}$/.test(value)) {
    return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(value.slice(2 * i, 2 * i + 2), 16))
  }
  // What it is must not be shown: it may be a key with one character too many.
  throw new InvalidConfigError('secretKey: must be 32 bytes or 64 hexadecimal digits')
}

function persist({ persist: value, secretKey }: Settings): Required<PersistSettings> | undefined {
  if (value === undefined || value === false) return undefined
  if (secretKey !== undefined) throw new InvalidConfigError('persist: must not be there together with secretKey')
  if (value === true) return { name: 'default', whenInUse: 'fail' }
  if (!isRecord(value)) throw wrong('persist', 'true, false or an object', value)
  const { name = 'default', whenInUse = 'fail', ...rest } = value
  nothingElse('persist', rest)
  if (typeof name !== 'string' || name.length < 1 || name.length > 255) {
    throw wrong('persist.name', 'a text of 1 to 255 characters', name)
  }
  return { name, whenInUse: oneOf('persist.whenInUse', whenInUse, WHEN_IN_USE) }
}

function alpns(value: unknown): Uint8Array[] {
  if (!Array.isArray(value)) throw wrong('alpns', 'an array of texts', value)
  const encoded = value.map((alpn: unknown, i) => encodeAlpn(`alpns[${i}]`, alpn))
  if (new Set(value).size !== value.length) throw new InvalidConfigError('alpns: must not name a protocol twice')
  return encoded
}

/**
 * An application protocol's name as bytes.
 *
 * @throws InvalidConfigError when it is not a text of 1 to 255 bytes.
 */
export function encodeAlpn(field: string, value: unknown): Uint8Array {
  if (typeof value !== 'string') throw wrong(field, 'a text', value)
  const bytes = new TextEncoder().encode(value)
  if (bytes.length < 1 || bytes.length > 255) throw wrong(field, '1 to 255 bytes long', value)
  // HTTP/3 means an X.509 certificate, and browsers behind it; the others are what peers tell each other apart from applications.
  if (RESERVED.includes(value as string)) throw wrong(field, 'an application protocol', value)
  return bytes
}

function limits(value: unknown): Limits {
  if (!isRecord(value)) throw wrong('limits', 'an object', value)
  for (const [name, given] of Object.entries(value)) {
    if (!Object.hasOwn(LIMIT_RANGES, name)) throw new InvalidConfigError(`limits.${name}: there is no such limit`)
    const [min, max] = LIMIT_RANGES[name as keyof Limits]
    if (given !== undefined) integer(`limits.${name}`, given, min, max)
  }
  const given = Object.entries(value).filter(([, limit]) => limit !== undefined)
  const resolved: Limits = { ...DEFAULT_LIMITS, ...Object.fromEntries(given) }
  if (resolved.maxMtuBytes < resolved.initialMtuBytes) {
    throw wrong('limits.maxMtuBytes', `at least initialMtuBytes (${resolved.initialMtuBytes})`, resolved.maxMtuBytes)
  }
  if (resolved.keepAliveMs >= resolved.idleTimeoutMs) {
    throw wrong('limits.keepAliveMs', `below idleTimeoutMs (${resolved.idleTimeoutMs})`, resolved.keepAliveMs)
  }
  return resolved
}

function webRtc(value: unknown): ResolvedSettings['webRtc'] {
  if (value === undefined || value === false) return value
  if (value === true) return {}
  if (!isRecord(value)) throw wrong('webRtc', 'true, false or an object', value)
  const { iceServers, implementation, ...rest } = value
  nothingElse('webRtc', rest)
  const settings =
    implementation === undefined
      ? {}
      : { implementation: oneOf('webRtc.implementation', implementation, WEB_RTC_IMPLEMENTATIONS) }
  if (iceServers === undefined) return settings
  if (!Array.isArray(iceServers) || iceServers.length > MAX_ICE_SERVERS)
    throw wrong('webRtc.iceServers', `an array of at most ${MAX_ICE_SERVERS} servers`, iceServers)
  return {
    ...settings,
    iceServers: iceServers.map((server: unknown, i) => iceServer(`webRtc.iceServers[${i}]`, server)),
  }
}

function iceServer(field: string, value: unknown): IceServer {
  if (!isRecord(value)) throw wrong(field, 'an object', value)
  const urls: unknown[] = Array.isArray(value.urls) ? value.urls : [value.urls]
  const isServer = (url: unknown) => typeof url === 'string' && /^(stuns?|turns?):[^\s]+$/.test(url)
  // What it is must not be shown: it has a password.
  if (urls.length === 0 || !urls.every(isServer))
    throw new InvalidConfigError(`${field}.urls: must be stun: or turn: URLs`)
  return value as unknown as IceServer
}

function flag(field: string, value: unknown): boolean {
  if (value !== undefined && typeof value !== 'boolean') throw wrong(field, 'true or false', value)
  return value ?? false
}
