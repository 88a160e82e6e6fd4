import { watchPage } from '../api/page-lifecycle.js'
import type { Platform } from '../api/platform.js'
import { holdKey } from '../config/kept-key.browser.js'
import { browserCore } from '../core/load.browser.js'
import type { CoreProgram } from '../core/load.js'
import { createError } from '../errors/index.js'
import { openWebSocket } from '../transport/relay.browser.js'
import { tokensOf, WebSocketRelays } from '../transport/relay.js'
import { browserWebTransport } from '../transport/web-transport.browser.js'

/** A browser: there is no UDP, so a peer reaches others over relays. The arguments say where the files beside the script are. */
export function browserPlatform(core: CoreProgram['wasm'], startTicks?: () => Worker): Platform {
  return {
    core: (given) => browserCore(given === undefined ? core : () => given),
    transports: () => [],
    relayDialer: (relays) => new WebSocketRelays(openWebSocket, tokensOf(relays)),
    webTransportDialer: browserWebTransport,
    channels: ({ webRtc, relays }) =>
      // Workers have none.
      typeof RTCPeerConnection === 'undefined'
        ? undefined
        : async () => (await import('./web-rtc.js')).channelMaker(webRtc?.iceServers, relays),
    diagnose: async (peer, options) => {
      const loading = import('./page-diagnosis.js').catch((cause) => {
        throw createError('TransportFailed', 'anypath_diagnose.mjs can not be loaded', { cause })
      })
      return (await loading).diagnosePage(peer, options, createError)
    },
    port: async () => (await import('./port.js')).portModule,
    borrows: typeof RTCPeerConnection === 'undefined',
    watchLifecycle: (events) => watchPage(events, startTicks),
    holdKey,
  }
}
