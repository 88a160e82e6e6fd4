import type { TicketAddress } from '../discovery/address.js'
import type { ConnectRequest, EngineAddress } from '../driver/engine.js'
import type { DialAddress } from './peer-options.js'

/** The first carrier of each kind. */
export type Carriers = ReadonlyMap<EngineAddress['transport'], number>

export function carriersOf(local: readonly EngineAddress[]): Carriers {
  const carriers = new Map<EngineAddress['transport'], number>()
  for (const { transport, carrier } of local) if (!carriers.has(transport)) carriers.set(transport, carrier)
  return carriers
}

/** Those addresses of a ticket or of discovery that this peer has a carrier for. */
export function reachableAddresses(
  addresses: readonly TicketAddress[],
  carriers: Carriers,
): ConnectRequest['addresses'] {
  const sockets = addresses.flatMap((address) =>
    address.kind === 'ip' ? [{ host: address.host, port: address.port }] : [],
  )
  return dialableAddresses(sockets, carriers)
}

/** Those socket addresses that this peer has a carrier for. */
export function dialableAddresses(addresses: readonly DialAddress[], carriers: Carriers): ConnectRequest['addresses'] {
  return addresses.flatMap(({ host, port, transport = 'udp', delayMs }) => {
    const carrier = carriers.get(transport)
    if (carrier === undefined) return []
    return [delayMs === undefined ? { carrier, host, port } : { carrier, host, port, delayMs }]
  })
}
