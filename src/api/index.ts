export type { BidirectionalStream, StreamOptions } from './bidirectional-stream.js'
export { Connection } from './connection.js'
export type {
  CandidatePair,
  CloseEvent,
  CloseInfo,
  ConnectionEvents,
  PathEvent,
  SearchEvent,
  StateEvent,
} from './connection-events.js'
export type { ConnectionStats } from './connection-stats.js'
export { type DatagramDrops, Datagrams } from './datagrams.js'
export type { MaintainOptions } from './maintain.js'
export { Peer } from './peer.js'
export type { PeerEvents } from './peer-events.js'
export type {
  AcceptHooks,
  AttachOptions,
  ConnectOptions,
  DialAddress,
  DialTarget,
  GivenCore,
  IncomingAddress,
  IncomingPeer,
  PeerOptions,
  WebTransportRequest,
} from './peer-options.js'
export type { EnginePort } from './port/messages.js'
export { ReceiveStream, type ReceiveStreamStats } from './receive-stream.js'
export type { OnlineOptions } from './relays.js'
export { SendStream, type SendStreamStats } from './send-stream.js'
export { Session, type SessionEvents } from './session.js'
export { Ticket } from './ticket.js'
export type { TlsInfo } from './tls-names.js'
export type { WebTransportSession } from './web-transport/session.js'
export type { CertificateHash, WebTransportSessions } from './web-transport/types.js'
