/** RFC 4648 section 6, in lower case. */
const BASE_32 = 'abcdefghijklmnopqrstuvwxyz234567'
const Z_BASE_32 = 'ybndrfg8ejkmcpqxot1uwisza345h769'

/** The z-base-32 text of bytes given as hexadecimal digits: the form of ids in DNS and pkarr. */
export function zBase32FromHex(digits: string): string {
  return textOf(digits, Z_BASE_32)
}

/** The base32 text (RFC 4648 section 6, in lower case and without padding) of bytes given as hexadecimal digits: the form of ids in mDNS. */
export function base32FromHex(digits: string): string {
  return textOf(digits, BASE_32)
}

/** The hexadecimal digits of what `base32FromHex` wrote, or upper case of it; `undefined` when it is not that. */
export function hexFromBase32(text: string): string | undefined {
  let digits = ''
  let bits = 0
  let pending = 0
  for (const letter of text.toLowerCase()) {
    const value = BASE_32.indexOf(letter)
    if (value < 0) return undefined
    pending = ((pending & 0x7) << 5) | value
    for (bits += 5; bits >= 4; bits -= 4) digits += ((pending >> (bits - 4)) & 0xf).toString(16)
  }
  const whole = digits.slice(0, digits.length - (digits.length % 2))
  // What is left over of the last letter has to be zero: every id has one text.
  return base32FromHex(whole) === text.toLowerCase() ? whole : undefined
}

function textOf(digits: string, alphabet: string): string {
  let text = ''
  let bits = 0
  let pending = 0
  for (let at = 0; at < digits.length; at += 2) {
    pending = ((pending & 0x1f) << 8) | Number.parseInt(digits.slice(at, at + 2), 16)
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(pending >> (bits - 5)) & 0x1f]
  }
  return bits === 0 ? text : text + alphabet[(pending << (5 - bits)) & 0x1f]
}
