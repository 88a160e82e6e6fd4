import { WEB_TRANSPORT_ID } from '../discovery/address.js'
import type { Engine, RelayInfo, TicketAddressParts, WebTransportCertificate } from '../driver/engine.js'
import { NoRelayConfiguredError } from '../errors/index.js'
import type { PeerRelays } from './relays.js'
import { Ticket } from './ticket.js'

/** How long a ticket waits for the home relay where there are addresses without it. */
const RELAY_PATIENCE_MS = 3000

/** Gives the data of the addresses at which sessions can be opened to a peer with these certificates and sockets, the best first. */
export type WebTransportAddressesOf = (
  certificates: readonly WebTransportCertificate[],
  sockets: readonly { readonly host: string; readonly port: number }[],
) => readonly Uint8Array[]

/** A ticket with the addresses of now: sockets, the home relay while it is connected, and what a browser needs to come without one. */
export async function makeTicket(
  engine: Engine,
  relays: PeerRelays,
  addressesOf?: WebTransportAddressesOf,
): Promise<Ticket> {
  const sockets = (await ownSockets(engine)).map(({ host, port }) => ({ kind: 'ip', host, port }) as const)
  const home = await homeOf(relays, sockets.length > 0)
  const opened = addressesOf?.(await engine.webTransportCertificates(), sockets) ?? []
  const addresses: TicketAddressParts[] = [
    ...(home === undefined ? [] : [{ kind: 'relay', url: home.url } as const]),
    ...sockets,
    ...opened.map((data) => ({ kind: 'custom', transportId: WEB_TRANSPORT_ID, data }) as const),
  ]
  const parts = { id: engine.endpointId, anypath: true, addresses }
  return new Ticket(await engine.formatTicket(parts), parts)
}

/** Where this peer's UDP sockets are reached, the best first. */
export async function ownSockets(engine: Engine): Promise<{ readonly host: string; readonly port: number }[]> {
  const local = (await engine.localAddresses()).filter(({ transport }) => transport === 'udp')
  // What a router forwards is reached from everywhere: it must not be what there is no room for.
  return [...local.filter(({ mapped }) => mapped), ...local.filter(({ mapped }) => !mapped)]
}

/** The home relay once it is connected. Who has other addresses does without it if that takes long, or if there is none. */
async function homeOf(relays: PeerRelays, reachable: boolean): Promise<RelayInfo | undefined> {
  try {
    return await relays.online(reachable ? { timeoutMs: RELAY_PATIENCE_MS } : {})
  } catch (thrown) {
    if (reachable || thrown instanceof NoRelayConfiguredError) return undefined
    throw thrown
  }
}
