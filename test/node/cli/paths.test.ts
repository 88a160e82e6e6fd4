import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PathSet, parsePath, printable, UnsafePath } from '../../../src/cli/transfer/paths.js'

const refused = (path: string, reason: RegExp, portable = true) =>
  assert.throws(
    () => parsePath(path, { portable }),
    (error: unknown) => error instanceof UnsafePath && reason.test(error.message),
    `${JSON.stringify(path)} must be refused`,
  )

test('ordinary paths are taken apart', () => {
  for (const path of ['a', 'a/b.txt', '.hidden/..x', 'grüße/файл', 'con-artist/nul1', 'a b/c,d']) {
    assert.deepEqual(parsePath(path, { portable: true }), path.split('/'))
  }
})

test('nothing that leaves the target folder is a path', () => {
  refused('', /is empty/, false)
  refused('/etc/passwd', /is absolute/, false)
  for (const path of ['..', '../x', 'a/../b', 'a/..', '.', 'a/./b']) refused(path, /contains "\.\.?"/, false)
  for (const path of ['a//b', 'a/']) refused(path, /empty part/, false)
  for (const path of ['..\\x', 'a\\b', '\\\\server\\share']) refused(path, /backslash/, false)
  for (const path of ['C:x', 'c:/windows']) refused(path, /drive letter/, false)
})

test('nothing that cheats a terminal or the file system is a path', () => {
  refused('a\0b', /NUL/, false)
  for (const path of ['a\nb', '\u001b[2J', 'a\u007f', 'a\u0085b', 'exe.\u202egpj'])
    refused(path, /control character/, false)
  refused(`${'x'.repeat(256)}`, /longer than 255 bytes/, false)
  refused(`${'ü'.repeat(128)}`, /longer than 255 bytes/, false)
  refused(Array(30).fill('x'.repeat(200)).join('/'), /longer than 4096 bytes/, false)
  refused(Array(300).fill('x').join('/'), /folders deep/, false)
  refused('x.anypath-part', /anypath's own/, false)
  refused('x.ANYPATH-PART/y', /anypath's own/, false)
})

test('names that only some systems hold are refused unless they are asked for', () => {
  for (const path of ['con', 'NUL', 'aux.c', 'a/COM1.txt', 'lpt9', 'COM¹', 'CONIN$']) {
    refused(path, /reserved name on Windows/)
    assert.ok(parsePath(path, { portable: false }))
  }
  for (const path of ['what?', 'a<b', 'a:b/c', 'a|b', '"q"', 'a*']) refused(path, /Windows does not allow|drive letter/)
  for (const path of ['dot.', 'space ', 'a /b']) refused(path, /another name on Windows/)
})

const collides = (paths: readonly (readonly [string, 'file' | 'folder'])[], reason: RegExp, portable = true) => {
  const set = new PathSet({ portable })
  assert.throws(() => {
    for (const [path, kind] of paths) set.add(path, kind)
  }, reason)
}

test('no two entries of a list may be one file', () => {
  collides(
    [
      ['a', 'file'],
      ['a', 'file'],
    ],
    /listed twice/,
    false,
  )
  collides(
    [
      ['a', 'folder'],
      ['a', 'folder'],
    ],
    /listed twice/,
    false,
  )
  collides(
    [
      ['a', 'file'],
      ['a/b', 'file'],
    ],
    /both a file and a folder/,
    false,
  )
  collides(
    [
      ['a/b', 'file'],
      ['a', 'file'],
    ],
    /both a file and a folder/,
    false,
  )
  collides(
    [
      ['Readme', 'file'],
      ['README', 'file'],
    ],
    /differs from "Readme" only in case/,
  )
  collides(
    [
      ['A/x', 'file'],
      ['a/y', 'file'],
    ],
    /only in case/,
  )
  collides(
    [
      ['\u00e9', 'file'],
      ['e\u0301', 'file'],
    ],
    /only in case/,
  )
  const set = new PathSet({ portable: false })
  for (const path of ['Readme', 'README', 'dir/x', 'dir/y']) set.add(path, 'file')
  set.add('dir', 'folder')
})

test('a name is shown without its control characters', () => {
  assert.equal(printable('a\u001b[31mb\u202e'), 'a\\u{1b}[31mb\\u{202e}')
  assert.equal(printable('x'.repeat(300)).length, 201)
})
