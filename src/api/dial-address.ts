import { relayUrl } from '../config/relays.js'
import { type TicketAddress, WEB_TRANSPORT_ID } from '../discovery/address.js'
import type { ConnectRequest, DialTargets, EngineAddress } from '../driver/engine.js'
import type { DialAddress } from './peer-options.js'

/** The first carrier of each kind. */
export type Carriers = ReadonlyMap<EngineAddress['transport'], number>

export function carriersOf(local: readonly EngineAddress[]): Carriers {
  const carriers = new Map<EngineAddress['transport'], number>()
  for (const { transport, carrier } of local) if (!carriers.has(transport)) carriers.set(transport, carrier)
  return carriers
}

/** How much later than the sockets of a peer its relays are tried: a direct answer on a network nearby comes sooner than that. */
const RELAY_DELAY_MS = 100

/** Those addresses of a ticket or of discovery that this peer has a carrier for, and the relays. */
export function reachableAddresses(addresses: readonly TicketAddress[], carriers: Carriers): DialTargets {
  const sockets = addresses.flatMap((address) =>
    address.kind === 'ip' ? [{ host: address.host, port: address.port }] : [],
  )
  const relays = addresses.flatMap((address) => (address.kind === 'relay' ? [address.url] : []))
  const webTransport = addresses.flatMap((address) =>
    address.kind === 'custom' && address.transportId === WEB_TRANSPORT_ID ? [address.data] : [],
  )
  return dialTargets(sockets, relays, carriers, webTransport)
}

/**
 * What was found without the loopback addresses, unless this peer is reached at one itself: a record can name any, and must not have packets
 * sent to what else listens on this machine.
 */
export function foreign(found: readonly TicketAddress[], local: readonly EngineAddress[]): readonly TicketAddress[] {
  if (local.some(({ host }) => isLoopback(host))) return found
  return found.filter((address) => address.kind !== 'ip' || !isLoopback(address.host))
}

function isLoopback(host: string): boolean {
  return host === '::1' || /^(::ffff:)?127\./i.test(host)
}

/** Sockets that this peer has a carrier for, and relays, in the order in which they are tried. */
export function dialTargets(
  sockets: readonly DialAddress[],
  relays: readonly string[],
  carriers: Carriers,
  webTransport: readonly Uint8Array[] = [],
): DialTargets {
  const addresses = dialableAddresses(sockets, carriers)
  const delay = addresses.length + webTransport.length > 0 ? { delayMs: RELAY_DELAY_MS } : {}
  const urls = new Set(relays.flatMap((url) => relayUrl(url) ?? []))
  return { addresses, relays: [...urls].map((url) => ({ url, ...delay })), webTransport }
}

/** Those socket addresses that this peer has a carrier for. */
function dialableAddresses(addresses: readonly DialAddress[], carriers: Carriers): ConnectRequest['addresses'] {
  return addresses.flatMap(({ host, port, transport = 'udp', delayMs }) => {
    const carrier = carriers.get(transport)
    if (carrier === undefined) return []
    return [delayMs === undefined ? { carrier, host, port } : { carrier, host, port, delayMs }]
  })
}
