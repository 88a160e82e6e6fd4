import { integer, isRecord, nothingElse, wrong } from './expect.js'
import type { UdpSettings } from './settings.js'

/**
 * Checks the setting `udp`. Pages do not need this: they have no socket.
 *
 * @throws InvalidConfigError naming the field, what it has to be, and what it is.
 */
export function resolveUdp(value: unknown): UdpSettings {
  if (!isRecord(value)) throw wrong('udp', 'an object', value)
  const { host, port, watchIntervalMs, ...rest } = value
  nothingElse('udp', rest)
  if (host !== undefined && (typeof host !== 'string' || host === '')) throw wrong('udp.host', 'an IP address', host)
  if (port !== undefined) integer('udp.port', port, 0, 65_535)
  if (watchIntervalMs !== undefined) integer('udp.watchIntervalMs', watchIntervalMs, 0, 0x7fff_ffff)
  return value as UdpSettings
}
