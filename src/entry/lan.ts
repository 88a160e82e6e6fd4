export { type LanDiscovery, type LanDiscoveryOptions, lanDiscovery } from '../discovery/lan/lan.node.js'
