export type { Listener } from './api/emitter.js'
export * from './api/index.js'
export {
  DEFAULT_LIMITS,
  type IceServer,
  type Limits,
  n0Relays,
  type PersistSettings,
  type RelaySettings,
  type Settings,
  type TcpSettings,
  type UdpSettings,
  type WebRtcSettings,
  type WebTransportSettings,
} from './config/index.js'
export type { CoreGlue, RawCore } from './core/glue.js'
export type { CoreProgram, CoreSource } from './core/load.js'
export type * from './diagnose/report.js'
export * from './discovery/index.js'
export type { Clock } from './driver/clock.js'
export type {
  Admission,
  ObservedAddress,
  OwnNat,
  PathInfo,
  PathKind,
  PathStats,
  PeerStats,
  RelayCause,
  RelayInfo,
  SearchStats,
  SessionState,
  TransitionCause,
} from './driver/engine.js'
export * from './errors/classes.js'
export {
  AnypathError,
  type AnypathErrorOptions,
  ERROR_TABLE,
  type ErrorCode,
  type ErrorNumber,
} from './errors/index.js'
export type * from './observe/index.js'
export type {
  PortMappingStats,
  RelayDialer,
  RelaySocket,
  RelaySocketEvents,
  SocketGuest,
  Transport,
  TransportAddress,
  TransportEvents,
} from './transport/transport.js'
