import type { Platform } from '../api/platform.js'
import { holdKey } from '../config/kept-key.browser.js'
import { browserCore } from '../core/load.browser.js'
import type { CoreProgram } from '../core/load.js'

/** A browser: there is no UDP, so without a relay a peer can dial nobody. `core` says where the code of the core is. */
export function browserPlatform(core: CoreProgram['wasm']): Platform {
  return {
    core: (given) => browserCore(given === undefined ? core : () => given),
    transports: () => [],
    holdKey,
  }
}
