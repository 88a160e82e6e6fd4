import type { UdpSettings } from '../config/settings.js'
import type { EngineOptions } from '../driver/create.js'
import type { QlogSink } from '../observe/qlog.js'

/** What differs between Node and a browser; an entry gives it to the API. */
export interface Platform {
  /** The core to run. */
  readonly core: () => EngineOptions['core']
  /** The transports of a peer that was given none, in carrier order. */
  readonly transports: (udp: UdpSettings & { readonly maxPacketBytes: number }) => EngineOptions['transports']
  /** Opens a folder for qlogs, where there are folders. */
  readonly qlogFolder?: (path: string) => QlogSink
}
