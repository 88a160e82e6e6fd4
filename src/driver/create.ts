import { type CoreConfig, type CoreLimits, encodeConfig } from '../core/config.js'
import { Core } from '../core/core.js'
import { CoreInstance } from '../core/instance.js'
import { type CoreProgram, type CoreSource, compileCore } from '../core/load.js'
import type { PortMapping, RelayDialer, Transport, WebTransportDialer } from '../transport/transport.js'
import { Carriers } from './carriers.js'
import { type ChannelKeeper, Channels } from './channels.js'
import { type Clock, systemClock } from './clock.js'
import { type DiscoveryServices, Driver, type StunServers } from './driver.js'
import type { Engine } from './engine.js'
import { LOG_LEVELS } from './names.js'
import type { RecordKeeper } from './record-keeper.js'
import { Relays } from './relays.js'
import { WebTransports } from './web-transports.js'

export type { CoreSource }

/** Levels of log records, the least talkative first. */
export type EngineLogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace'

/** Sizes, counts and times that bound what a peer spends. */
export type EngineLimits = CoreLimits

/** What a limit of the address-discovery service is when it is left out. */
const DISCOVERY_LIMITS = { maxClients: 1024, maxClientsPerAddress: 64, maxAgeMs: 3_600_000 }

/** QUIC Address Discovery as iroh's relays have it (ALPN `/iroh-qad/0`): whoever connects learns at which address it is seen. */
export interface EngineAddressDiscovery {
  /** X.509 in DER (RFC 5280), the server's own certificate first. Clients check it against the name that they dialled. */
  readonly certificateChain: readonly Uint8Array[]
  /** PKCS #8 in DER (RFC 5958): ECDSA on P-256 or P-384, Ed25519, or RSA of 2,048 to 4,096 bits. */
  readonly privateKey: Uint8Array
  /** Clients at the same time; beyond it the oldest is let go, for it has its answer. @default 1024 */
  readonly maxClients?: number
  /** Clients of one IP address (IPv6: one /64) at the same time; beyond it the newest is let go. @default 64 */
  readonly maxClientsPerAddress?: number
  /** How long a client may stay to hear of changes. @default one hour */
  readonly maxAgeMs?: number
}

/** Everything that an engine is made of. */
export interface EngineOptions {
  /** Ed25519 seed, 32 bytes. */
  readonly secretKey: Uint8Array
  /** Application protocols served to incoming connections, 1 to 255 bytes each. */
  readonly alpns: readonly Uint8Array[]
  /** The first UDP transport is carrier 0; the others count from 1 in their order. The engine starts and closes them. */
  readonly transports: readonly Transport[]
  /** URLs of the relays among which the home relay is chosen. @default none, and no relay is used then */
  readonly relays?: readonly string[]
  /** Opens WebSockets to relays. @default none */
  readonly relayDialer?: RelayDialer
  /** Opens WebTransport sessions to peers. @default none, and such addresses are not dialled */
  readonly webTransportDialer?: WebTransportDialer
  /** Makes what has the data channels, and whatever else others open to this process. @default data channels alone */
  readonly channels?: ((core: Core, clock: Clock) => Channels) | undefined
  /** The core to run; `nodeCore()` of `core/load.node.ts` in Node. Each engine gets an instance of its own. */
  readonly core: CoreProgram
  /** Serves incoming connections. @default true */
  readonly accept?: boolean
  /** Asks by an `incoming` event before each handshake. @default false */
  readonly askBeforeHandshake?: boolean
  /** Allows 0-RTT: what is sent early can be replayed by an attacker. @default false */
  readonly earlyData?: boolean
  /** Offers and accepts only classical key exchange. @default false */
  readonly classicalOnly?: boolean
  /**
   * Answers STUN's Binding requests (RFC 8489) on every UDP transport, beside QUIC: a browser's ICE agent or anybody else learns at which
   * address it is seen. At most 100 a second for each IP address (IPv6: each /64), and 20,000 in all.
   *
   * @default false
   */
  readonly stun?: boolean
  /**
   * Serves address discovery on the main UDP transport, beside the applications or alone. Its clients are anonymous: there are no events of
   * them, and they may send nothing. It needs `accept`, and the core for Node.
   */
  readonly addressDiscovery?: EngineAddressDiscovery
  /** Listens for WebTransport sessions of browsers on the UDP transports. It needs `accept`, and the core for Node. */
  readonly webTransport?: { readonly maxSessions: number }
  /** Looks for direct paths where a connection is relayed, which tells the remote this machine's addresses. @default true */
  readonly directPaths?: boolean
  /** Looks up the STUN servers that tell where the main UDP transport is seen, for direct paths. @default none are asked */
  readonly stunServers?: StunServers
  /** Has routers forward a port to the main UDP transport, for direct paths. The engine starts and closes it. @default none is asked */
  readonly portMapping?: PortMapping
  /** Address-discovery services that are asked for the same. @default none are asked */
  readonly discoveryServices?: DiscoveryServices
  /** @default 'cubic' */
  readonly congestion?: 'cubic' | 'new-reno' | 'bbr'
  readonly limits: EngineLimits
  /** Gets the core's log records at `logLevel` and above; nothing is built for it when left out. */
  readonly log?: (level: EngineLogLevel, target: string, message: string) => void
  /** @default 'info' */
  readonly logLevel?: EngineLogLevel
  /** Gets each connection's qlog (JSON text sequences) piece by piece; nothing is built for it when left out. */
  readonly qlog?: (connectionId: number, bytes: Uint8Array<ArrayBuffer>) => void
  /** @default the platform's clock */
  readonly clock?: Clock
  /** @default `crypto.getRandomValues` */
  readonly randomBytes?: (length: number) => Uint8Array
}

/**
 * Instantiates a core of its own, opens the transports and starts the event loop.
 *
 * @throws AnypathError `InvalidConfig`, `InvalidKey`, `AddressInUse` or `TransportFailed`; nothing stays open then.
 */
export async function createEngine(options: EngineOptions): Promise<Engine & RecordKeeper & ChannelKeeper> {
  const clock = options.clock ?? systemClock()
  const module = await compileCore(options.core)
  const config = encodeConfig(coreConfig(options, clock))
  const core = new Core(new CoreInstance(module, options.core.createGlue(), config, () => clock.now()))
  const relays = new Relays(core, clock, options.relayDialer)
  const sessions = new WebTransports(core, clock, options.webTransportDialer)
  const carriers = new Carriers(core, clock, options.transports, {
    relays,
    sessions,
    channels: options.channels?.(core, clock) ?? new Channels(core, clock),
  })
  const observers = { log: options.log, qlog: options.qlog }
  const driver = new Driver({
    core,
    carriers,
    clock,
    observers,
    relays: options.relays ?? [],
    directPaths: options.directPaths ?? true,
    ...(options.stunServers && { stunServers: options.stunServers }),
    ...(options.portMapping && { portMapping: options.portMapping }),
    ...(options.discoveryServices && { discoveryServices: options.discoveryServices }),
  })
  try {
    await driver.start()
  } catch (thrown) {
    core.close()
    throw thrown
  }
  return driver
}

function coreConfig(options: EngineOptions, clock: Clock): CoreConfig {
  const random = options.randomBytes ?? ((length: number) => crypto.getRandomValues(new Uint8Array(length)))
  return {
    secretKey: options.secretKey,
    seed: random(32),
    // The core's clock counts from where `now` is zero.
    epochMs: clock.epochMs() - clock.now(),
    flags: {
      accept: options.accept ?? true,
      askBeforeHandshake: options.askBeforeHandshake ?? false,
      earlyData: options.earlyData ?? false,
      qlog: options.qlog !== undefined,
      discoverMtu: options.transports.some(({ discoversMtu }) => discoversMtu),
      classicalOnly: options.classicalOnly ?? false,
      stun: options.stun ?? false,
    },
    logLevel: options.log ? LOG_LEVELS.indexOf(options.logLevel ?? 'info') + 1 : 0,
    congestion: options.congestion ?? 'cubic',
    limits: options.limits,
    alpns: options.alpns,
    webTransport: options.webTransport,
    addressDiscovery: options.addressDiscovery && { ...DISCOVERY_LIMITS, ...options.addressDiscovery },
  }
}
