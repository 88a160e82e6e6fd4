import { randomBytes } from 'node:crypto'
import type { Peer as AnyPeer, PeerOptions } from '../../../src/api/index.js'
import { systemClock } from '../../../src/driver/clock.js'
import { Peer } from '../../../src/entry/node.js'
import { MemoryHub } from '../../../src/transport/memory.js'
import { ALPN, type Placement, placed } from './environments.js'
import type { Pair } from './scenarios.js'

/** Limits that make waiting short. */
export const LIMITS = {
  maxBidirectionalStreams: 4,
  maxUnidirectionalStreams: 4,
  streamReceiveWindowBytes: 256 * 1024,
  receiveWindowBytes: 512 * 1024,
  sendWindowBytes: 512 * 1024,
  handshakeTimeoutMs: 3000,
} as const

/** Two peers with the real core on loopback sockets. */
export async function udpPair(
  placement: Placement,
  options: PeerOptions = {},
): Promise<Pair & { readonly acceptor: AnyPeer }> {
  const base: PeerOptions = { udp: { host: '127.0.0.1' }, limits: LIMITS, ...options }
  const dialler = await placed(await Peer.create(base), placement)
  const acceptor = await placed(await Peer.create({ ...base, alpns: [ALPN] }), placement)
  return { dialler, acceptor, target: (await acceptor.ticket()).toString() }
}

/** Two peers with the real core and a link in memory. */
export async function memoryPair(placement: Placement): Promise<Pair> {
  const hub = new MemoryHub({ clock: systemClock() })
  const near = hub.port('10.0.0.1', 1)
  const far = hub.port('10.0.0.2', 1)
  const dialler = await placed(
    await Peer.create({ transports: [near], limits: LIMITS, secretKey: randomBytes(32) }),
    placement,
  )
  const acceptor = await placed(await Peer.create({ transports: [far], limits: LIMITS, alpns: [ALPN] }), placement)
  const [address] = far.localAddresses()
  if (address === undefined) throw new Error('the hub gave no address')
  return { dialler, acceptor, target: { id: acceptor.id, addresses: [{ ...address, transport: 'memory' }] } }
}
