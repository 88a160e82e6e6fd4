import { Peer as PlatformPeer } from '../api/peer.js'
import type { Platform } from '../api/platform.js'
import { browserCore } from '../core/load.browser.js'

export * from '../index.js'

/** A peer in a browser: there is no UDP, so without a relay it can dial nobody. */
export class Peer extends PlatformPeer {
  static override readonly platform: Platform = { core: browserCore, transports: () => [] }
}
