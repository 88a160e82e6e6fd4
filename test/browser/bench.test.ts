// time limit: 200 s

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { missing } from './harness/engines.js'

interface Row {
  readonly name: string
  readonly error?: string
  readonly runs: readonly Readonly<Record<string, number>>[]
}

// Whether they work is tested here, never how fast anything is.
test('the suites of pages measure anypath in each browser, and every peer has figures or says why not', {
  skip: missing('chromium') || missing('firefox'),
}, async () => {
  const program = join(process.env.ANYPATH_ROOT ?? process.cwd(), 'bench', 'run.mjs')
  const args = [program, '--tiny', '--json', '--only', 'pageload,pagethroughput,pagedirect']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const suites = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { suite: string; rows: Record<string, Row[]> })
  assert.deepEqual(
    suites.map(({ suite }) => suite),
    ['pageload', 'pagethroughput', 'pagedirect'],
  )
  for (const { suite, rows } of suites) {
    assert.deepEqual(Object.keys(rows), ['Chromium', 'Firefox'])
    for (const [browser, [ours, ...others]] of Object.entries(rows)) {
      assert.equal(ours?.error, undefined, `${suite}, ${browser}`)
      assert(Object.values(ours?.runs[0] ?? {}).every((figure) => figure > 0))
      assert(others.every(({ runs, error }) => runs.length > 0 || error !== undefined))
    }
  }
})
