/**
 * Which paths of a remote manifest may become files here.
 *
 * A path on the wire is relative, in UTF-8, with `/` between its parts. Everything that could leave the target folder, be
 * two files under one name, or play tricks on a terminal is refused before anything is written.
 */

/** Suffix of a file that is still being received. */
export const partSuffix = '.anypath-part'

const maxPathBytes = 4096
const maxNameBytes = 255
const maxDepth = 256

/** A path of the peer's manifest that must not be written. */
export class UnsafePath extends Error {
  override readonly name = 'UnsafePath'
  readonly code = 'UnsafePath'
  /** The path as it was asked for, made printable. */
  readonly path: string

  constructor(path: string, reason: string) {
    super(`${printable(path)}: ${reason}`)
    this.path = printable(path)
  }
}

const encoder = new TextEncoder()

// Control characters, the line and paragraph separators, and the bidirectional overrides.
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu

/** A text that is safe to print on a terminal: control characters and direction overrides are escaped, long ones cut. */
export const printable = (text: string): string => {
  const short = text.length > 200 ? `${text.slice(0, 200)}…` : text
  return short.replace(unprintable, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`)
}

const windowsDevice = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$/i
const windowsForbidden = /[<>:"|?*]/

const checkPortable = (path: string, name: string): void => {
  if (windowsDevice.test(name)) throw new UnsafePath(path, `"${printable(name)}" is a reserved name on Windows`)
  if (windowsForbidden.test(name))
    throw new UnsafePath(path, 'contains a character that Windows does not allow (< > : " | ? *)')
  if (/[. ]$/.test(name))
    throw new UnsafePath(path, 'a name that ends with a dot or a space is another name on Windows')
}

const checkName = (path: string, name: string): void => {
  if (name === '') throw new UnsafePath(path, 'has an empty part')
  if (name === '.' || name === '..') throw new UnsafePath(path, `contains "${name}"`)
  if (encoder.encode(name).length > maxNameBytes)
    throw new UnsafePath(path, `a name is longer than ${maxNameBytes} bytes`)
  if (name.toLowerCase().endsWith(partSuffix))
    throw new UnsafePath(path, `names that end with "${partSuffix}" are anypath's own`)
}

export interface PathRules {
  /** Also refuse what only Windows can't hold, and names that differ only in case. */
  readonly portable: boolean
}

/**
 * The parts of a relative path from the wire.
 *
 * @throws {UnsafePath} when it is absolute, leaves its folder, holds NUL, a control character or a backslash, is too long,
 * or (with `portable`) can't be a name on Windows.
 */
export const parsePath = (path: string, rules: PathRules): string[] => {
  if (path === '') throw new UnsafePath(path, 'is empty')
  if (path.includes('\0')) throw new UnsafePath(path, 'contains a NUL character')
  if (path.search(unprintable) >= 0) throw new UnsafePath(path, 'contains a control character')
  if (path.startsWith('/')) throw new UnsafePath(path, 'is absolute')
  if (path.includes('\\')) throw new UnsafePath(path, 'contains a backslash')
  if (/^[a-z]:/i.test(path)) throw new UnsafePath(path, 'begins with a drive letter')
  if (encoder.encode(path).length > maxPathBytes) throw new UnsafePath(path, `is longer than ${maxPathBytes} bytes`)
  const names = path.split('/')
  if (names.length > maxDepth) throw new UnsafePath(path, `is more than ${maxDepth} folders deep`)
  for (const name of names) {
    checkName(path, name)
    if (rules.portable) checkPortable(path, name)
  }
  return names
}

const fold = (path: string): string => path.normalize('NFC').toUpperCase().toLowerCase()

/** The paths of one manifest: each one once, none both a file and a folder. */
export class PathSet {
  readonly #rules: PathRules
  readonly #kinds = new Map<string, { readonly path: string; kind: 'file' | 'folder'; listed: boolean }>()

  constructor(rules: PathRules) {
    this.#rules = rules
  }

  /**
   * Adds one entry and the folders above it.
   *
   * @returns the parts of the path.
   * @throws {UnsafePath} when {@link parsePath} does, on a duplicate, on a path used as a file and a folder, and (with
   * `portable`) on two paths that differ only in case.
   */
  add(path: string, kind: 'file' | 'folder'): string[] {
    const names = parsePath(path, this.#rules)
    for (let depth = 1; depth < names.length; depth++) this.#put(names.slice(0, depth).join('/'), 'folder', false)
    this.#put(path, kind, true)
    return names
  }

  #put(path: string, kind: 'file' | 'folder', listed: boolean): void {
    const key = this.#rules.portable ? fold(path) : path
    const known = this.#kinds.get(key)
    if (known === undefined) {
      this.#kinds.set(key, { path, kind, listed })
      return
    }
    if (known.path !== path) throw new UnsafePath(path, `differs from "${printable(known.path)}" only in case`)
    if (known.kind !== kind) throw new UnsafePath(path, 'is both a file and a folder')
    if (listed && known.listed) throw new UnsafePath(path, 'is listed twice')
    if (listed) known.listed = true
  }
}
