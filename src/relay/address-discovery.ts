import { DEFAULT_LIMITS } from '../config/index.js'
import { nodeCore } from '../core/load.node.js'
import { createEngine, type EngineAddressDiscovery } from '../driver/create.js'
import type { Engine } from '../driver/engine.js'
import { createError } from '../errors/index.js'
import { UdpTransport } from '../transport/udp.node.js'

/** Where an address-discovery service listens, and what it shows to its clients. */
export interface AddressDiscoveryOptions extends EngineAddressDiscovery {
  /** An IPv4 or IPv6 address; `::` takes both families on one socket. @default '127.0.0.1' */
  readonly host?: string
  /** 0 lets the system choose; iroh's clients ask at 7842 unless their relay map says otherwise. @default 7842 */
  readonly port?: number
  /** Answers STUN on the same port too. @default false */
  readonly stun?: boolean
}

/** What an address-discovery service has done since its start. */
export interface AddressDiscoveryCounts {
  /** Clients now. */
  readonly clients: number
  /** Clients that there have been. */
  readonly served: number
  /** Connections that were refused, by a limit or because they wanted something else. */
  readonly refused: number
  /** STUN requests that were answered. */
  readonly stunAnswered: number
  /** STUN requests beyond the limits. */
  readonly stunLimited: number
}

/** An address-discovery service that runs. */
export interface AddressDiscoveryServer {
  readonly host: string
  readonly port: number
  counts(): Promise<AddressDiscoveryCounts>
  /** Tells the clients and releases the socket. Idempotent. */
  close(): Promise<void>
}

/** Clients keep their connection alive every 25 s, to hear of changes; ours would only double that. */
const LIMITS = { ...DEFAULT_LIMITS, keepAliveMs: 0, idleTimeoutMs: 35_000, maxHandshakes: 256 }

/** How long closes may take to be sent. */
const CLOSE_MS = 500

/**
 * Serves QUIC Address Discovery on a UDP port of its own, so that stock iroh endpoints learn at which address they are seen.
 *
 * @throws AnypathError `InvalidConfig` when certificate and key can't be used, `AddressInUse` when the port is taken,
 *   `TransportFailed` when it can't be opened otherwise.
 */
export async function startAddressDiscovery(options: AddressDiscoveryOptions): Promise<AddressDiscoveryServer> {
  const { host = '127.0.0.1', port = 7842, stun = false, ...addressDiscovery } = options
  const transport = new UdpTransport({ host, port })
  const engine = await createEngine({
    // Clients know the server by its certificate; nobody is shown the key that a core has to have.
    secretKey: crypto.getRandomValues(new Uint8Array(32)),
    alpns: [],
    transports: [transport],
    core: nodeCore(),
    limits: LIMITS,
    stun,
    addressDiscovery,
  })
  const bound = transport.localAddresses()[0]?.port
  if (bound === undefined) {
    await engine.close(0, '', 0)
    throw createError('TransportFailed', 'the UDP socket was closed at once')
  }
  return { host, port: bound, counts: () => countsOf(engine), close: () => engine.close(0, '', CLOSE_MS) }
}

async function countsOf(engine: Engine): Promise<AddressDiscoveryCounts> {
  const { discoveryClients, discoveries, refused, stunAnswered, stunLimited } = await engine.peerStats()
  return { clients: discoveryClients, served: discoveries, refused, stunAnswered, stunLimited }
}
