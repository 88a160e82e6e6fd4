/** Texts of others, made safe to show: they are never HTML, but they could still play tricks on a reader or a terminal. */

// Control characters except tab and line feed, line and paragraph separators, bidirectional overrides and isolates.
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\u200e\u200f]/gu
const keptInText = new Set(['\n', '\t'])
const notInFileNames = /[<>:"|?*/\\]/g
const windowsDevice = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/** A text without what can not be printed; surrounding white space is cut. Lone surrogates become U+FFFD. */
export const cleanText = (text: string): string =>
  wellFormed(text)
    .replace(/\r\n?/g, '\n')
    .replace(unprintable, (character) => (keptInText.has(character) ? character : ''))
    .trim()

/** A name on one line. */
export const cleanName = (text: string): string => cleanText(text).replace(/\s+/g, ' ')

/** A file's name, without folders and without what some file system does not hold; never empty, never hidden. */
export const cleanFileName = (text: string, maxLength: number): string => {
  const base = cleanName(text.split(/[/\\]/).at(-1) ?? '').replace(notInFileNames, '_')
  const trimmed = base.replace(/^[. ]+/, '').replace(/[. ]+$/, '')
  const named = windowsDevice.test(trimmed) ? `_${trimmed}` : trimmed
  return named === '' ? 'file' : shortened(named, maxLength)
}

/** Cuts the middle out, so that the extension stays. */
const shortened = (name: string, maxLength: number): string => {
  const characters = [...name]
  if (characters.length <= maxLength) return name
  const tail = Math.min(12, maxLength - 1)
  return `${characters.slice(0, maxLength - tail - 1).join('')}~${characters.slice(-tail).join('')}`
}

/** How many characters a person would count, roughly: code points. */
export const lengthOf = (text: string): number => {
  let length = 0
  for (const _ of text) length += 1
  return length
}

const wellFormed = (text: string): string =>
  text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
