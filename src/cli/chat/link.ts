/**
 * The link of a room: `http://HOST:PORT/#relay=<url>&room=<secret>`.
 *
 * What stands behind `#` is never sent to a server (RFC 9110 section 4.2.5): the page's server learns neither secret nor relay.
 */
import { fromBase64Url, toBase64Url } from './encoding.js'

/** 192 bits: nobody guesses it, and the link stays short. */
export const SECRET_BYTES = 24

export interface RoomLink {
  /** Where the page and its rendezvous are, ending with `/`. */
  readonly page: string
  /** The relay that members meet at; `undefined` when they have addresses of their own. */
  readonly relay: string | undefined
  readonly secret: Uint8Array<ArrayBuffer>
}

/** Why a text is no link of a room. */
export class LinkError extends Error {
  override readonly name = 'LinkError'
  readonly code = 'InvalidLink'
}

/** A new room's secret. */
export const newSecret = (): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(SECRET_BYTES))

/** The link as text. */
export const formatLink = ({ page, relay, secret }: RoomLink): string => {
  const relayPart = relay === undefined ? '' : `relay=${encodeURIComponent(relay)}&`
  return `${page}#${relayPart}room=${toBase64Url(secret)}`
}

/**
 * Reads a link.
 *
 * @throws {LinkError} saying what is missing or malformed.
 */
export const parseLink = (text: string): RoomLink => {
  const url = httpUrl(text, 'a room link')
  const fragment = new URLSearchParams(url.hash.slice(1))
  const room = fragment.get('room')
  if (room === null) throw new LinkError('the link has no room: it ends with #…room=…')
  const secret = fromBase64Url(room)
  if (secret?.length !== SECRET_BYTES) throw new LinkError('the room in the link is cut off or changed')
  const relay = fragment.get('relay')
  url.hash = ''
  url.search = ''
  return { page: url.href, relay: relay === null ? undefined : httpUrl(relay, 'the relay in the link').href, secret }
}

const httpUrl = (text: string, what: string): URL => {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new LinkError(`${what} begins with http:// or https://`)
  if (url.username !== '' || url.password !== '') throw new LinkError(`${what} must not hold a password`)
  return url
}
