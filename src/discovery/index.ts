export type { TicketAddress } from './address.js'
export { type Discovery, staticDiscovery } from './discovery.js'
