/** What a relay can be told, as one table: the options, the configuration file, the environment and the flags follow it. */
import { InvalidConfigError } from '../errors/index.js'
import type { RelayLogger } from './log.js'

/** Limits of a relay. Each holds for strangers and friends alike; what is beyond is refused or dropped, and counted. */
export interface RelayLimits {
  /** Clients connected at the same time. @default 10000 */
  readonly maxClients: number
  /** TCP connections from one address (IPv6: one /64) at the same time. @default 256 */
  readonly maxConnectionsPerAddress: number
  /** Connections of one key: the newest serves, older ones wait for its end. @default 4 */
  readonly maxConnectionsPerKey: number
  /** WebSockets that have not proven their key yet. @default 512 */
  readonly maxHandshakes: number
  /** The same, from one address (IPv6: one /64). @default 64 */
  readonly maxHandshakesPerAddress: number
  /** Time from the TCP connection to the proven key, in milliseconds. @default 10000 */
  readonly handshakeTimeoutMs: number
  /** What is read from one client in a second on average; 0 = no limit. @default 16777216 */
  readonly bytesPerSecond: number
  /** What one client may send at once beyond that. @default 8388608 */
  readonly burstBytes: number
  /** Messages read from one client in a second on average; 0 = no limit. @default 20000 */
  readonly messagesPerSecond: number
  /** What waits for one client that reads slowly. @default 1048576 */
  readonly queueBytes: number
  /** How long it waits before it is dropped, in milliseconds. @default 2000 */
  readonly queueAgeMs: number
  /** What waits for all clients together. @default 268435456 */
  readonly totalQueueBytes: number
  /** Silence after which a client is pinged, in milliseconds; up to a fifth is added at random. @default 15000 */
  readonly pingIntervalMs: number
  /** How long it may take to answer, in milliseconds. @default 10000 */
  readonly pingTimeoutMs: number
  /** Time that clients have to move when the relay stops, in milliseconds. @default 5000 */
  readonly drainMs: number
  /** Address records kept. @default 10000 */
  readonly maxRecords: number
  /** How long a record is kept after it was last put, in milliseconds. @default 86400000 */
  readonly recordAgeMs: number
  /** Records that one address may put in a minute. @default 60 */
  readonly recordsPerMinute: number
}

/** Options of {@link startRelay}. */
export interface RelayOptions {
  /** Address to listen on. @default '127.0.0.1' */
  readonly host?: string
  /** TCP port of the relay; 0 takes a free one. @default 3340 */
  readonly port?: number
  /** PEM file with the certificate chain; with `tlsKeyFile` the relay serves HTTPS. */
  readonly tlsCertFile?: string
  /** PEM file with the certificate's key. */
  readonly tlsKeyFile?: string
  /** With TLS: a plain HTTP port that answers `/generate_204` only, for captive portal probes. */
  readonly captivePortalPort?: number
  /** Takes a client's address from the last entry of `X-Forwarded-For`: only behind a proxy that sets it. @default false */
  readonly trustProxy?: boolean
  /** Endpoint ids that may connect; every one when it is empty. Hexadecimal or base32. */
  readonly allow?: readonly string[]
  /** Endpoint ids that may not. */
  readonly deny?: readonly string[]
  /** File with one id a line, added to `allow`; `#` begins a comment. */
  readonly allowFile?: string
  /** File with one id a line, added to `deny`. */
  readonly denyFile?: string
  /** Tokens, one of which a client has to present; none are needed when it is empty. */
  readonly tokens?: readonly string[]
  /** File with one token a line, added to `tokens`. */
  readonly tokenFile?: string
  /** Port of the Prometheus metrics; they are not served unless it is given. */
  readonly metricsPort?: number
  /** Address of the metrics' port. @default '127.0.0.1' */
  readonly metricsHost?: string
  /** Whether signed address records are kept at `/pkarr/`. @default true */
  readonly pkarr?: boolean
  /** UDP port on which STUN is answered, 3478 as a rule; it is not unless it is given. `host` has to be an IP address then. */
  readonly stunPort?: number
  /**
   * With `stunPort`: a second UDP port for the same, so that this relay alone tells a peer whether its NAT gives ports in a sequence. It is not
   * served unless it is given.
   */
  readonly stunOtherPort?: number
  /** UDP port of QUIC Address Discovery, 7842 as a rule; it is not served unless it is given. `host` has to be an IP address then. */
  readonly qadPort?: number
  /** PEM file with the certificate chain of QUIC Address Discovery, read at the start. @default `tlsCertFile` */
  readonly qadCertFile?: string
  /** PEM file with that certificate's key. @default `tlsKeyFile` */
  readonly qadKeyFile?: string
  readonly limits?: Partial<RelayLimits>
  /** Where log records go. @default nowhere */
  readonly logger?: RelayLogger
}

/** Options with every default filled in. */
export interface ResolvedRelayOptions {
  readonly host: string
  readonly port: number
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  readonly captivePortalPort: number | undefined
  readonly trustProxy: boolean
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly allowFile: string | undefined
  readonly denyFile: string | undefined
  readonly tokens: readonly string[]
  readonly tokenFile: string | undefined
  readonly metricsPort: number | undefined
  readonly metricsHost: string
  readonly pkarr: boolean
  readonly stunPort: number | undefined
  readonly stunOtherPort: number | undefined
  readonly qadPort: number | undefined
  /** Where the certificate of QUIC Address Discovery is; always there beside `qadPort`. */
  readonly qad: { readonly certFile: string; readonly keyFile: string } | undefined
  readonly limits: RelayLimits
}

export interface RelayField {
  /** As in {@link RelayOptions} and in the configuration file; `limits.` goes before those of {@link RelayLimits}. */
  readonly name: string
  readonly kind: 'text' | 'integer' | 'flag' | 'texts'
  readonly min?: number
  readonly max?: number
  readonly default?: string | number | boolean
  readonly value?: string
  readonly help: string
  /** Not a flag of the command: whoever lists processes would read it. */
  readonly secret?: boolean
}

const port = (name: string, help: string, rest: Partial<RelayField> = {}): RelayField => ({
  name,
  kind: 'integer',
  min: 0,
  max: 65_535,
  value: 'PORT',
  help,
  ...rest,
})

const limit = (
  name: keyof RelayLimits,
  fallback: number,
  [min, max]: readonly [number, number],
  help: string,
): RelayField => ({
  name: `limits.${name}`,
  kind: 'integer',
  min,
  max,
  default: fallback,
  value: name.endsWith('Ms') ? 'MS' : 'N',
  help,
})

const GIB = 2 ** 30
const DAY_MS = 86_400_000

/** Every option but the logger. */
export const RELAY_FIELDS: readonly RelayField[] = [
  { name: 'host', kind: 'text', default: '127.0.0.1', value: 'ADDRESS', help: 'address to listen on' },
  port('port', 'TCP port; 0 takes a free one', { default: 3340 }),
  { name: 'tlsCertFile', kind: 'text', value: 'FILE', help: 'PEM certificate chain: serve HTTPS' },
  { name: 'tlsKeyFile', kind: 'text', value: 'FILE', help: 'PEM key of the certificate' },
  port('captivePortalPort', 'with TLS: a plain HTTP port for captive portal probes', { min: 1 }),
  {
    name: 'trustProxy',
    kind: 'flag',
    default: false,
    help: "take clients' addresses from X-Forwarded-For, behind a proxy that sets it",
  },
  { name: 'allow', kind: 'texts', value: 'ID', help: 'let only this endpoint id connect; may be repeated' },
  { name: 'deny', kind: 'texts', value: 'ID', help: 'never let this endpoint id connect; may be repeated' },
  { name: 'allowFile', kind: 'text', value: 'FILE', help: 'endpoint ids to let connect, one a line' },
  { name: 'denyFile', kind: 'text', value: 'FILE', help: 'endpoint ids not to let connect, one a line' },
  { name: 'tokens', kind: 'texts', value: 'TOKEN', help: 'tokens of which a client has to present one', secret: true },
  { name: 'tokenFile', kind: 'text', value: 'FILE', help: 'tokens of which a client has to present one, one a line' },
  port('metricsPort', 'serve Prometheus metrics on this port; off otherwise'),
  { name: 'metricsHost', kind: 'text', default: '127.0.0.1', value: 'ADDRESS', help: "address of the metrics' port" },
  { name: 'pkarr', kind: 'flag', default: true, help: 'keep signed address records at /pkarr/' },
  port('stunPort', 'answer STUN on this UDP port (3478 as a rule); off otherwise'),
  port(
    'stunOtherPort',
    'with --stun-port: answer STUN on this UDP port too, so that one relay tells peers more of their NAT',
  ),
  port('qadPort', 'serve QUIC Address Discovery on this UDP port (7842 as a rule); off otherwise'),
  { name: 'qadCertFile', kind: 'text', value: 'FILE', help: 'PEM certificate chain of that (default --tls-cert-file)' },
  { name: 'qadKeyFile', kind: 'text', value: 'FILE', help: 'PEM key of that certificate (default --tls-key-file)' },
  limit('maxClients', 10_000, [1, 1_000_000], 'clients at the same time'),
  limit('maxConnectionsPerAddress', 256, [1, 1_000_000], 'TCP connections from one address'),
  limit('maxConnectionsPerKey', 4, [1, 100], 'connections of one key'),
  limit('maxHandshakes', 512, [1, 1_000_000], 'clients that have not proven their key yet'),
  limit('maxHandshakesPerAddress', 64, [1, 1_000_000], 'the same, from one address'),
  limit('handshakeTimeoutMs', 10_000, [10, 600_000], 'time to prove the key'),
  limit('bytesPerSecond', 16 * 2 ** 20, [0, 100 * GIB], 'bytes a second from one client; 0 = no limit'),
  limit('burstBytes', 8 * 2 ** 20, [65_536, GIB], 'bytes at once from one client'),
  limit('messagesPerSecond', 20_000, [0, 10_000_000], 'messages a second from one client; 0 = no limit'),
  limit('queueBytes', 2 ** 20, [65_536, GIB], 'bytes that wait for one slow client'),
  limit('queueAgeMs', 2_000, [10, 600_000], 'how long they wait'),
  limit('totalQueueBytes', 256 * 2 ** 20, [65_536, 64 * GIB], 'bytes that wait for all clients'),
  limit('pingIntervalMs', 15_000, [100, 600_000], 'silence after which a client is pinged'),
  limit('pingTimeoutMs', 10_000, [100, 600_000], 'time to answer a ping'),
  limit('drainMs', 5_000, [0, 3_600_000], 'time for clients to move when the relay stops'),
  limit('maxRecords', 10_000, [1, 10_000_000], 'address records kept'),
  limit('recordAgeMs', DAY_MS, [1_000, 30 * DAY_MS], 'how long a record is kept'),
  limit('recordsPerMinute', 60, [1, 1_000_000], 'records that one address may put in a minute'),
]

/**
 * Checks options and fills in the defaults.
 *
 * @throws InvalidConfigError naming the field, what it has to be, and what it is.
 */
export function resolveRelayOptions(options: RelayOptions): ResolvedRelayOptions {
  const { logger: _, limits = {}, ...rest } = options
  if (typeof limits !== 'object' || limits === null || Array.isArray(limits)) throw wrong('limits', 'an object', limits)
  const given: Record<string, unknown> = { ...rest }
  for (const [name, value] of Object.entries(limits)) given[`limits.${name}`] = value
  for (const name of Object.keys(given)) {
    if (!RELAY_FIELDS.some((field) => field.name === name))
      throw new InvalidConfigError(`${name}: there is no such option`)
  }
  const values: Record<string, unknown> = {}
  const limitValues: Record<string, unknown> = {}
  for (const field of RELAY_FIELDS) {
    const value = given[field.name] === undefined ? field.default : checked(field, given[field.name])
    if (field.name.startsWith('limits.')) limitValues[field.name.slice(7)] = value
    else values[field.name] = value ?? (field.kind === 'texts' ? [] : undefined)
  }
  const { tlsCertFile, tlsKeyFile, qadCertFile = tlsCertFile, qadKeyFile = tlsKeyFile, ...others } = values
  if ((tlsCertFile === undefined) !== (tlsKeyFile === undefined)) {
    throw new InvalidConfigError(
      `${tlsCertFile === undefined ? 'tlsCertFile' : 'tlsKeyFile'}: is missing beside the other one`,
    )
  }
  if (others.captivePortalPort !== undefined && tlsCertFile === undefined) {
    throw new InvalidConfigError('captivePortalPort: is for a relay with TLS; without, its own port answers the probes')
  }
  if (
    others.stunOtherPort !== undefined &&
    (others.stunPort === undefined || (others.stunPort === others.qadPort && others.qadPort !== 0))
  )
    throw new InvalidConfigError('stunOtherPort: is for a relay with a stunPort that is not shared with qadPort')
  if (others.qadPort !== undefined && (qadCertFile === undefined || qadKeyFile === undefined)) {
    throw new InvalidConfigError(
      'qadPort: needs a certificate, in qadCertFile and qadKeyFile or in tlsCertFile and tlsKeyFile',
    )
  }
  const qad = others.qadPort === undefined ? undefined : { certFile: qadCertFile, keyFile: qadKeyFile }
  const tls = tlsCertFile === undefined ? undefined : { certFile: tlsCertFile, keyFile: tlsKeyFile }
  return { ...others, tls, qad, limits: limitValues } as unknown as ResolvedRelayOptions
}

function checked({ name, kind, min = 0, max = 0, secret }: RelayField, value: unknown): unknown {
  // Of a secret not even a wrong form is shown.
  const shown = secret ? undefined : value
  switch (kind) {
    case 'flag':
      if (typeof value !== 'boolean') throw wrong(name, 'true or false', shown)
      return value
    case 'text':
      if (typeof value !== 'string' || value === '') throw wrong(name, 'a text', shown)
      return value
    case 'texts':
      if (!Array.isArray(value) || !value.every((one) => typeof one === 'string' && one !== '')) {
        throw wrong(name, 'a list of texts', shown)
      }
      return value
    case 'integer':
      if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
        throw wrong(name, `a whole number from ${min} to ${max}`, shown)
      }
      return value
  }
}

function wrong(field: string, expected: string, value: unknown): InvalidConfigError {
  const found = value === undefined ? '' : `, not ${JSON.stringify(value) ?? String(value)}`
  return new InvalidConfigError(`${field}: must be ${expected}${found}`)
}
