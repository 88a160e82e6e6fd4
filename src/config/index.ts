export { checkInjected } from './injected.js'
export { DEFAULT_LIMITS, type Limits } from './limits.js'
export { n0Relays, type RelaySettings, relayUrl } from './relays.js'
export { encodeAlpn, resolveSettings } from './resolve.js'
export type {
  IceServer,
  PersistSettings,
  ResolvedSettings,
  Settings,
  TcpSettings,
  UdpSettings,
  WebRtcSettings,
  WebTransportSettings,
} from './settings.js'
