import type { Engine, RelayInfo, TicketAddressParts } from '../driver/engine.js'
import { NoRelayConfiguredError } from '../errors/index.js'
import type { PeerRelays } from './relays.js'
import { Ticket } from './ticket.js'

/** How long a ticket waits for the home relay where there are addresses without it. */
const RELAY_PATIENCE_MS = 3000

/** A ticket with the addresses of now: sockets, and the home relay while it is connected. */
export async function makeTicket(engine: Engine, relays: PeerRelays): Promise<Ticket> {
  const sockets = (await engine.localAddresses()).flatMap(({ transport, host, port }): TicketAddressParts[] =>
    transport === 'udp' ? [{ kind: 'ip', host, port }] : [],
  )
  const home = await homeOf(relays, sockets.length > 0)
  const addresses: TicketAddressParts[] = home === undefined ? sockets : [{ kind: 'relay', url: home.url }, ...sockets]
  const parts = { id: engine.endpointId, anypath: true, addresses }
  return new Ticket(await engine.formatTicket(parts), parts)
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
