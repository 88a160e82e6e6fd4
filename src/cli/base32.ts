/** Base32 without padding, lower case (RFC 4648 section 6), as tickets and keys are written. */

const symbols = 'abcdefghijklmnopqrstuvwxyz234567'
const values = new Map([...symbols].map((symbol, value) => [symbol, value]))

/** Why a text is not base32. */
export class Base32Error extends Error {
  override readonly name = 'Base32Error'
}

/** The bytes as lower-case text without padding. */
export const encodeBase32 = (bytes: Uint8Array): string => {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xfff
    held += 8
    while (held >= 5) {
      held -= 5
      text += symbols[(bits >> held) & 31]
    }
  }
  if (held > 0) text += symbols[(bits << (5 - held)) & 31]
  return text
}

/**
 * The bytes that a text in either case stands for.
 *
 * @throws {Base32Error} on a character outside the alphabet, a length that no whole number of bytes has, or unused bits
 * that are not zero (so that no two texts mean the same).
 */
export const decodeBase32 = (text: string): Uint8Array<ArrayBuffer> => {
  if ([1, 3, 6].includes(text.length % 8)) {
    throw new Base32Error(`${text.length} characters are no whole number of bytes in base32`)
  }
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let length = 0
  let bits = 0
  let held = 0
  for (const [position, symbol] of [...text.toLowerCase()].entries()) {
    const value = values.get(symbol)
    if (value === undefined) throw new Base32Error(`character ${position + 1} is not a base32 character`)
    bits = ((bits << 5) | value) & 0xfff
    held += 5
    if (held >= 8) {
      held -= 8
      bytes[length++] = (bits >> held) & 0xff
    }
  }
  if ((bits & ((1 << held) - 1)) !== 0)
    throw new Base32Error('the unused bits of the last base32 character are not zero')
  return bytes
}
