export { checkInjected } from './injected.js'
export { DEFAULT_LIMITS, type Limits } from './limits.js'
export { encodeAlpn, resolveSettings } from './resolve.js'
export type { PersistSettings, ResolvedSettings, Settings, UdpSettings } from './settings.js'
