const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769'

/** The z-base-32 text of bytes given as hexadecimal digits: the form of ids in DNS and pkarr. */
export function zBase32FromHex(digits: string): string {
  let text = ''
  let bits = 0
  let pending = 0
  for (let at = 0; at < digits.length; at += 2) {
    pending = ((pending & 0x1f) << 8) | Number.parseInt(digits.slice(at, at + 2), 16)
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(pending >> (bits - 5)) & 0x1f]
  }
  return bits === 0 ? text : text + ALPHABET[(pending << (5 - bits)) & 0x1f]
}
