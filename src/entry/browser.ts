import { Peer as PlatformPeer } from '../api/peer.js'
import type { Platform } from '../api/platform.js'
import { browserPlatform } from './platform.browser.js'

export * from '../index.js'

/** A peer in a browser, with the core from the file beside this module. */
export class Peer extends PlatformPeer {
  // Bundlers find the files by these expressions, and only by them as they stand.
  static override readonly platform: Platform = browserPlatform(
    () => new URL('./anypath_core.wasm', import.meta.url),
    () => new Worker(new URL('./anypath_ticks.js', import.meta.url)),
  )
}
