export type { TicketAddress } from './address.js'
export { type Discovery, type LookupOptions, type Publication, staticDiscovery } from './discovery.js'
export { type PkarrDiscoveryOptions, pkarrDiscovery } from './pkarr.js'
export { type PkarrPublisherOptions, pkarrPublisher } from './pkarr-publisher.js'
export type {
  PublishedContent,
  PublishingClock,
  PublishingLogger,
  PublishingPeer,
  ReadRecord,
  SignedRecord,
} from './record.js'
