/** What `anypath/relay` exports. */
export type { RelayLogFields, RelayLogger } from './log.js'
export type { RelayMetricName, RelayMetrics } from './metrics.js'
export type { RelayLimits, RelayOptions } from './options.js'
export { type Relay, startRelay } from './server.js'
