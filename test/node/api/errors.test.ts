import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import * as errors from '../../../src/errors/index.js'

const { AnypathError, ERROR_TABLE, createError, deserializeError, serializeError } = errors

type Row = readonly [number, string, boolean]
const table: readonly Row[] = ERROR_TABLE

// Tests run from the repository's root, bundled elsewhere.
function rowsOf(path: string, pattern: RegExp): Row[] {
  const text = readFileSync(path, 'utf8')
  return [...text.matchAll(pattern)].map(([, number, name, retryable]) => [
    Number(number),
    String(name),
    retryable === 'yes' || retryable === 'true',
  ])
}

describe('the error table', () => {
  test('is the one that docs/boundary.md shows', () => {
    const documented = rowsOf('docs/boundary.md', /^\| (\d+) \| (\w+) \| (yes|no) \|$/gm)
    assert.deepEqual(documented, table)
  })

  test('is the one of the Rust core', {
    skip: !existsSync('wasm/peer/src/error.rs') && 'wasm/peer/src/error.rs is not there',
  }, () => {
    const rust = rowsOf('wasm/peer/src/error.rs', /\(\s*(\d+),\s*\w+,\s*"(\w+)",\s*(true|false)\s*,?\s*\)/g)
    assert.deepEqual(rust, table)
  })

  test('has a class for every row, and no number or name twice', () => {
    assert.equal(new Set(table.map(([number]) => number)).size, table.length)
    assert.equal(new Set(table.map(([, name]) => name)).size, table.length)
    for (const [number, code, retryable] of ERROR_TABLE) {
      const className = code.endsWith('Error') ? code : `${code}Error`
      const error = createError(number, 'what happened')
      assert.ok(error instanceof AnypathError, code)
      assert.equal(error.constructor, errors[className as keyof typeof errors], code)
      assert.equal(error.code, code)
      assert.equal(error.number, number)
      assert.equal(error.retryable, retryable)
      assert.equal(error.message, 'what happened')
      assert.equal(error.name, 'AnypathError')
      assert.equal(createError(code, '').message, code)
    }
  })

  test('gives an InternalError for a number that it does not have', () => {
    assert.equal(createError(9999, 'x').code, 'InternalError')
  })
})

describe('an error', () => {
  test('survives being cloned as plain data, with class, codes, cause and stack', () => {
    const original = createError('StreamReset', 'gone', { streamErrorCode: 7, cause: new Error('deep') })
    const rebuilt = deserializeError(structuredClone(serializeError(original)))
    assert.ok(rebuilt instanceof errors.StreamResetError)
    assert.equal(rebuilt.streamErrorCode, 7)
    assert.equal(rebuilt.cause, 'deep')
    assert.equal(rebuilt.stack, original.stack)
    assert.equal(rebuilt.source, 'stream')
    const closed = deserializeError(serializeError(createError('ClosedByPeer', 'x', { closeCode: 3, reason: 'bye' })))
    assert.deepEqual([closed.closeCode, closed.reason, closed.source], [3, 'bye', 'session'])
  })

  test('is made of anything that was thrown', () => {
    assert.equal(errors.toAnypathError('text').message, 'text')
    const foreign = new TypeError('foreign')
    assert.equal(errors.toAnypathError(foreign).cause, foreign)
    assert.equal(errors.toAnypathError(foreign).code, 'InternalError')
  })
})
