import { InvalidKeyError } from '../errors/index.js'

/** A public key as the text that this API shows: 64 lower-case hexadecimal digits. */
export function idToText(id: Uint8Array): string {
  let text = ''
  for (const byte of id) text += byte.toString(16).padStart(2, '0')
  return text
}

/** Whether a text has the form of an id. */
export function isId(text: string): boolean {
  return /^[0-9a-fA-F]{64}$/.test(text)
}

/**
 * The 32 bytes of an id.
 *
 * @throws InvalidKeyError when it is not 64 hexadecimal digits.
 */
export function idFromText(text: string): Uint8Array {
  if (!isId(text)) throw new InvalidKeyError('an id is 64 hexadecimal digits')
  return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16))
}
