/** What a member tells the others through the page's server, which sees only random-looking bytes of one length. */
import { fromHex } from './encoding.js'
import type { RoomKeys } from './keys.js'
import { MAX_ANNOUNCEMENT_BYTES } from './limits.js'

export interface Announcement {
  readonly id: string
  /** Where the member is reached: the text of its ticket. */
  readonly ticket: string
}

const NONCE_BYTES = 12
const TAG_BYTES = 16
/** All announcements have one length, so that it tells nothing about what is in them. */
const PLAIN_BYTES = MAX_ANNOUNCEMENT_BYTES - NONCE_BYTES - TAG_BYTES
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Encrypts an announcement with a fresh nonce (NIST SP 800-38D section 8.2.2); the room's tag is authenticated with it.
 *
 * @throws RangeError when the ticket is too long.
 */
export const sealAnnouncement = async (
  { tag, announcement }: RoomKeys,
  { id, ticket }: Announcement,
): Promise<Uint8Array<ArrayBuffer>> => {
  const text = encoder.encode(JSON.stringify({ id, ticket }))
  if (text.length > PLAIN_BYTES) throw new RangeError('the ticket is too long to be announced')
  // JSON may be followed by white space.
  const plain = new Uint8Array(PLAIN_BYTES).fill(0x20)
  plain.set(text)
  const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
  const algorithm = { name: 'AES-GCM', iv, additionalData: fromHex(tag) }
  const sealed = new Uint8Array(MAX_ANNOUNCEMENT_BYTES)
  sealed.set(iv)
  sealed.set(new Uint8Array(await crypto.subtle.encrypt(algorithm, announcement, plain)), NONCE_BYTES)
  return sealed
}

/** Decrypts and reads an announcement; `undefined` when it is none of this room. */
export const openAnnouncement = async (
  { tag, announcement }: RoomKeys,
  sealed: Uint8Array<ArrayBuffer>,
): Promise<Announcement | undefined> => {
  if (sealed.length !== MAX_ANNOUNCEMENT_BYTES) return undefined
  const algorithm = { name: 'AES-GCM', iv: sealed.slice(0, NONCE_BYTES), additionalData: fromHex(tag) }
  try {
    const plain = await crypto.subtle.decrypt(algorithm, announcement, sealed.slice(NONCE_BYTES))
    const { id, ticket }: { id?: unknown; ticket?: unknown } = JSON.parse(decoder.decode(plain))
    if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id) || typeof ticket !== 'string') return undefined
    return { id, ticket }
  } catch {
    return undefined
  }
}
