/** The keys of a room, derived from its secret by HKDF-SHA-256 (RFC 5869), one for each purpose. */
import { CHAT_ALPN } from './connection.js'
import { toHex } from './encoding.js'

export interface RoomKeys {
  /** What the page's server knows the room by: 32 hexadecimal digits that tell nothing about the secret. */
  readonly tag: string
  /** Seals announcements (AES-256-GCM). */
  readonly announcement: CryptoKey
  /** Proves membership (HMAC-SHA-256). */
  readonly membership: CryptoKey
}

const encoder = new TextEncoder()

/** Derives the keys. WebCrypto is there on `https:` pages, on loopback, and in Node. */
export const deriveKeys = async (secret: Uint8Array<ArrayBuffer>): Promise<RoomKeys> => {
  const base = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits', 'deriveKey'])
  const purpose = (info: string): HkdfParams => ({
    name: 'HKDF',
    hash: 'SHA-256',
    salt: encoder.encode(CHAT_ALPN),
    info: encoder.encode(info),
  })
  const [tag, announcement, membership] = await Promise.all([
    crypto.subtle.deriveBits(purpose('rendezvous tag'), base, 128),
    crypto.subtle.deriveKey(purpose('announcement key'), base, { name: 'AES-GCM', length: 256 }, false, [
      'encrypt',
      'decrypt',
    ]),
    crypto.subtle.deriveKey(purpose('membership key'), base, { name: 'HMAC', hash: 'SHA-256', length: 256 }, false, [
      'sign',
      'verify',
    ]),
  ])
  return { tag: toHex(new Uint8Array(tag)), announcement, membership }
}
