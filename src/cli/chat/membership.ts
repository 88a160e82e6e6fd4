/**
 * Proof that both sides of a connection know the room's secret.
 *
 * The proof is a MAC over who shows it and to whom. Both are keys that the TLS handshake has proven for this very connection, so a proof
 * is worth nothing to anybody else, and one that is sent back or passed on is not accepted.
 */
import { fromHex } from './encoding.js'
import type { RoomKeys } from './keys.js'

export const PROOF_BYTES = 32
const LABEL = new TextEncoder().encode('anypath-chat/1 member\0')

/** What `from` shows to `to`. */
export const proofOf = async ({ membership }: RoomKeys, from: string, to: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await crypto.subtle.sign('HMAC', membership, proven(from, to)))

/** Whether `proof` is what `from` has to show to `to`. The comparison is WebCrypto's, in constant time. */
export const isProofOf = (
  { membership }: RoomKeys,
  proof: Uint8Array<ArrayBuffer>,
  from: string,
  to: string,
): Promise<boolean> => crypto.subtle.verify('HMAC', membership, proof, proven(from, to))

const proven = (from: string, to: string): Uint8Array<ArrayBuffer> => {
  const ids = [fromHex(from), fromHex(to)]
  const bytes = new Uint8Array(LABEL.length + 64)
  bytes.set(LABEL)
  bytes.set(ids[0] ?? [], LABEL.length)
  bytes.set(ids[1] ?? [], LABEL.length + 32)
  return bytes
}
