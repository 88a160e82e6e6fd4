import type { WebTransportAddressesOf } from '../api/make-ticket.js'
import type { Listening } from '../api/platform.js'
import type { TcpSettings, WebTransportSettings } from '../config/settings.js'
import { resolveWebTransport } from '../config/web-transport.js'
import { CARRIER_PATH, tcpAddress, webTransportAddress } from '../core/web-transport-address.js'
import { AcceptedSessions } from '../driver/accepted-sessions.js'
import { TcpListener } from '../transport/tcp-listener.node.js'

/** Where sessions over UDP are opened to a peer. */
export const addressesOf: WebTransportAddressesOf = (certificates, sockets) => {
  const data = webTransportAddress(certificates, sockets)
  return data === undefined ? [] : [data]
}

/** What a peer in Node needs to listen for sessions: over TCP something of its own, over UDP the core has it. */
export function listenForSessions(setting: true | WebTransportSettings, handshakeTimeoutMs: number): Listening {
  const { tcp, ...rest } = resolveWebTransport(setting)
  if (tcp === undefined) return { ...rest, addressesOf, channels: undefined }
  const { port, host, certificate } = tcp
  const options = { ...rest, handshakeTimeoutMs, port, host, path: CARRIER_PATH, tls: certificate }
  const listener = new TcpListener(options)
  return {
    ...rest,
    addressesOf: (certificates, sockets) => {
      const hosts = sockets.map((socket) => socket.host)
      const data = overTcp(listener, hosts, certificate)
      return [...addressesOf(certificates, sockets), ...(data === undefined ? [] : [data])]
    },
    channels: (core, clock) => new AcceptedSessions(core, clock, listener, handshakeTimeoutMs),
  }
}

/** Where sessions over TCP are opened to it: by its name where it has a certificate, or else at all addresses of this machine. */
function overTcp(
  { address: at }: TcpListener,
  hosts: readonly string[],
  certificate: TcpSettings['certificate'],
): Uint8Array | undefined {
  if (at === undefined) return undefined
  const all = [...new Set(hosts)].filter((host) => at.host !== '0.0.0.0' || !host.includes(':'))
  const places = /^[0.:]+$/.test(at.host) ? all : [at.host]
  const sockets = places.map((host) => ({ host, port: at.port }))
  return certificate ? tcpAddress(certificate.name, sockets.slice(0, 1)) : tcpAddress('', sockets)
}
