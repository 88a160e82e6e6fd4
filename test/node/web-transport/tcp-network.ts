import { createServer, connect as openSocket, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { tcpAddress } from '../../../src/core/web-transport-address.js'
import {
  type Connection,
  type DialTarget,
  Peer,
  type PeerOptions,
  type WebTransportSettings,
} from '../../../src/entry/node.js'
import type { TransportAddress, TransportEvents } from '../../../src/transport/transport.js'
import { UdpTransport } from '../../../src/transport/udp.node.js'
import { ALPN } from '../relayed/relay-pair.js'

/** A socket behind a firewall that lets no UDP through. */
class BlockedUdp extends UdpTransport {
  constructor() {
    super({ host: '127.0.0.1' })
  }

  override start(events: TransportEvents): Promise<void> {
    return super.start({ ...events, receive: () => {} })
  }

  override send(_address: TransportAddress, _packets: Uint8Array<ArrayBuffer>): void {}
}

/** A peer that ends with the test. */
export async function peerOf(context: TestContext, options: PeerOptions): Promise<Peer> {
  const peer = await Peer.create({ alpns: [ALPN], udp: { host: '127.0.0.1' }, ...options })
  context.after(() => peer.close())
  return peer
}

/** One to which and from which UDP does not get. */
export function blockedPeer(context: TestContext, options: PeerOptions = {}): Promise<Peer> {
  return peerOf(context, { transports: [new BlockedUdp()], ...options })
}

/** One that listens on TCP, at a port that is free. */
export async function listeningPeer(
  context: TestContext,
  options: PeerOptions = {},
  settings: Omit<WebTransportSettings, 'tcp'> = {},
): Promise<{ readonly peer: Peer; readonly port: number }> {
  const port = await freePort()
  const tcp = { host: '127.0.0.1', port }
  return { peer: await peerOf(context, { webTransport: { tcp, ...settings }, ...options }), port }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Where a peer listens on TCP, and the relays at which it is. */
export function overTcp(id: string, port: number, relays: readonly string[] = []): DialTarget {
  const data = tcpAddress('', [{ host: '127.0.0.1', port }])
  return { id, relays, ...(data && { webTransport: [data] }) } as DialTarget
}

/** Something between two peers that passes TCP on, until it cuts what there is. */
export async function forwarder(context: TestContext, to: number): Promise<{ readonly port: number; cut(): number }> {
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = openSocket(to, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
    open.add(near)
    near.once('close', () => open.delete(near))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    const { size } = open
    for (const socket of open) socket.resetAndDestroy()
    return size
  }
  context.after(() => {
    cut()
    server.close()
  })
  return { port: (server.address() as { port: number }).port, cut }
}

/** Resolves when data goes over a path of that kind. */
export async function selected(connection: Connection, kind: Connection['paths'][number]['kind']): Promise<void> {
  while (connection.paths[0]?.kind !== kind) await new Promise((resolve) => connection.on('path', resolve))
}
