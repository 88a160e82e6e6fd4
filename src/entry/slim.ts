import { Peer as PlatformPeer } from '../api/peer.js'
import type { Platform } from '../api/platform.js'
import { InvalidConfigError } from '../errors/index.js'
import { browserPlatform } from './platform.browser.js'

export * from '../index.js'

/** A peer in a browser, for applications that bring the core themselves. */
export class Peer extends PlatformPeer {
  static override readonly platform: Platform = browserPlatform(() => {
    throw new InvalidConfigError('core: must be given with anypath/slim: the code of anypath/core.wasm')
  })
}
