import { InvalidConfigError } from '../errors/index.js'
import { integer, isRecord, nothingElse, wrong } from './expect.js'
import type { TcpSettings, WebTransportSettings } from './settings.js'

const MAX_SESSIONS = 256

/** The setting `webTransport` after validation, with every default filled in. */
export interface ResolvedWebTransport {
  readonly maxSessions: number
  readonly origins: readonly string[] | undefined
  readonly tcp: TcpSettings | undefined
}

/**
 * Checks the setting `webTransport`, which is there. Pages do not need this: nothing is listened for in them.
 *
 * @throws InvalidConfigError naming the field, what it has to be, and what it is.
 */
export function resolveWebTransport(value: true | WebTransportSettings): ResolvedWebTransport
export function resolveWebTransport(value: unknown): ResolvedWebTransport {
  if (value === true) return { maxSessions: MAX_SESSIONS, origins: undefined, tcp: undefined }
  if (!isRecord(value)) throw wrong('webTransport', 'true, false or an object', value)
  const { maxSessions = MAX_SESSIONS, origins, tcp, ...rest } = value
  nothingElse('webTransport', rest)
  integer('webTransport.maxSessions', maxSessions, 1, 0xffff_ffff)
  const isTexts = Array.isArray(origins) && origins.every((origin) => typeof origin === 'string')
  if (origins !== undefined && !isTexts) throw wrong('webTransport.origins', 'an array of texts', origins)
  return {
    maxSessions: maxSessions as number,
    origins: origins as string[] | undefined,
    tcp: tcp === undefined ? undefined : tcpSettings(tcp),
  }
}

function tcpSettings(value: unknown): TcpSettings {
  if (!isRecord(value)) throw wrong('webTransport.tcp', 'an object', value)
  const { port, host, certificate, ...rest } = value
  nothingElse('webTransport.tcp', rest)
  integer('webTransport.tcp.port', port, 0, 65_535)
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw wrong('webTransport.tcp.host', 'an IP address', host)
  if (certificate === undefined) return value as unknown as TcpSettings
  if (!isRecord(certificate)) throw wrong('webTransport.tcp.certificate', 'an object', certificate)
  const { name, cert, key, ...others } = certificate
  nothingElse('webTransport.tcp.certificate', others)
  if (typeof name !== 'string' || !/^[a-z0-9.-]{1,253}$/i.test(name))
    throw wrong('webTransport.tcp.certificate.name', "a host's name", name)
  // What they are must not be shown.
  if (typeof cert !== 'string' || typeof key !== 'string')
    throw new InvalidConfigError('webTransport.tcp.certificate: cert and key must be PEM texts')
  return value as unknown as TcpSettings
}
