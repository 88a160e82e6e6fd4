import { DEFAULT_LIMITS } from '../config/index.js'
import { nodeCore } from '../core/load.node.js'
import { createEngine } from '../driver/create.js'
import type { Engine } from '../driver/engine.js'
import { createError } from '../errors/index.js'
import { UdpTransport } from '../transport/udp.node.js'

/** Where a STUN server listens. */
export interface StunOptions {
  /** An IPv4 or IPv6 address; `::` takes both families on one socket. @default '127.0.0.1' */
  readonly host?: string
  /** 0 lets the system choose. @default 3478 */
  readonly port?: number
  /**
   * A second port, which is answered too: a client that asks at both learns whether its NAT has a mapping for each port of a remote, and whether it
   * gives ports in a sequence. 0 lets the system choose. @default none
   */
  readonly otherPort?: number
}

/** What a STUN server has done since its start. */
export interface StunCounts {
  /** Requests that were answered. */
  readonly answered: number
  /** Requests that got no answer because their address, or all addresses together, asked too often. */
  readonly limited: number
  /** Datagrams that were not STUN. */
  readonly malformed: number
}

/** A STUN server that runs (RFC 8489). */
export interface StunServer {
  readonly host: string
  readonly port: number
  readonly otherPort: number | undefined
  counts(): Promise<StunCounts>
  /** Releases the socket. Idempotent. */
  close(): Promise<void>
}

/**
 * Answers STUN's Binding requests on a UDP port of its own and does nothing else: no connection can be made to it.
 *
 * @throws AnypathError `AddressInUse` when the port is taken, `TransportFailed` when it can't be opened otherwise.
 */
export async function startStun({ host = '127.0.0.1', port = 3478, otherPort }: StunOptions = {}): Promise<StunServer> {
  const ports = otherPort === undefined ? [port] : [port, otherPort]
  const transports = ports.map((one) => new UdpTransport({ host, port: one }))
  const engine = await createEngine({
    // Nobody can connect, so nobody learns the key that a core has to have.
    secretKey: crypto.getRandomValues(new Uint8Array(32)),
    alpns: [],
    accept: false,
    transports,
    core: nodeCore(),
    limits: DEFAULT_LIMITS,
    stun: true,
  })
  const [bound, other] = transports.map((transport) => transport.localAddresses()[0]?.port)
  if (bound === undefined || (otherPort !== undefined && other === undefined)) {
    await engine.close(0, '', 0)
    throw createError('TransportFailed', 'the UDP socket was closed at once')
  }
  return { host, port: bound, otherPort: other, counts: () => countsOf(engine), close: () => engine.close(0, '', 0) }
}

async function countsOf(engine: Engine): Promise<StunCounts> {
  const { stunAnswered, stunLimited, malformedDropped } = await engine.peerStats()
  return { answered: stunAnswered, limited: stunLimited, malformed: malformedDropped }
}
