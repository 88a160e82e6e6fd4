import type { RelaySettings } from '../config/relays.js'
import type { IceServer } from '../config/settings.js'

/** The port of STUN (RFC 8489 section 8.1). */
const STUN_PORT = 3478

/** Browsers find out little more, and later, by more servers. */
const MAX_RELAYS_ASKED = 2

/** Where relays answer STUN, as far as that can be known: a page is not shown the header by which they tell it. */
export function stunOf(relays: readonly RelaySettings[]): IceServer[] {
  return relays.slice(0, MAX_RELAYS_ASKED).map(({ url }) => {
    const { hostname, port } = new URL(url)
    return { urls: `stun:${hostname}:${port || STUN_PORT}` }
  })
}
