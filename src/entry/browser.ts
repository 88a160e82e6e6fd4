import { Peer as PlatformPeer } from '../api/peer.js'
import type { Platform } from '../api/platform.js'
import { browserPlatform } from './platform.browser.js'

export * from '../index.js'

/** A peer in a browser, with the core from the file beside this module. */
export class Peer extends PlatformPeer {
  // Bundlers find the file by this expression, and only by it as it stands.
  static override readonly platform: Platform = browserPlatform(() => new URL('./anypath_core.wasm', import.meta.url))
}
