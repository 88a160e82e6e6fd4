// time limit: 300 s
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = process.env.ANYPATH_ROOT ?? process.cwd()
const built = existsSync(join(root, 'dist', 'node.mjs')) && existsSync(join(root, 'dist', 'anypath_core_node.wasm'))
const skip = built ? false : 'the package is not built: npm run build'

interface Row {
  readonly name: string
  readonly error?: string
  readonly runs: readonly Record<'server' | 'client', Record<string, unknown>>[]
}

interface SuiteReport {
  readonly suite: string
  readonly rows: readonly Row[] | Readonly<Record<string, readonly Row[]>>
}

/** Runs suites with tiny sizes: whether they work is tested here, never how fast anything is. */
function bench(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, 'bench', 'run.mjs'), '--tiny', ...args], { cwd: root })
    const out = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      out.stderr += text
    })
    child.once('close', (code) => resolve({ code, ...out }))
  })
}

async function rowsOf(suite: string): Promise<Row[][]> {
  const { code, stdout, stderr } = await bench('--only', suite, '--json')
  assert.equal(code, 0, `${stdout}\n${stderr}`)
  const report = JSON.parse(stdout) as SuiteReport
  assert.equal(report.suite, suite)
  return Array.isArray(report.rows) ? [report.rows as Row[]] : Object.values(report.rows as Record<string, Row[]>)
}

for (const suite of ['throughput', 'requests', 'datagrams', 'handshakes', 'memory', 'relay']) {
  test(`the ${suite} suite measures anypath, and every peer has figures or says why not`, { skip }, async () => {
    for (const rows of await rowsOf(suite)) {
      assert.equal(rows[0]?.error, undefined)
      assert.ok((rows[0]?.runs.length ?? 0) > 0)
      for (const { name, error, runs } of rows) {
        assert.ok(runs.length > 0 || (error ?? '').length > 0, `${name} has neither figures nor a reason`)
      }
    }
  })
}

test('a suite that does not exist is refused by name', async () => {
  const { code, stderr } = await bench('--only', 'speed')
  assert.equal(code, 2)
  assert.match(stderr, /there is no suite 'speed'/)
})

test('the table has a row for each contender and a line for each target', { skip }, async () => {
  const { code, stdout, stderr } = await bench('--only', 'throughput')
  assert.equal(code, 0, `${stdout}\n${stderr}`)
  assert.match(stdout, /^\| anypath /m)
  assert.match(stdout, /^\| raw dgram, 1,452 bytes/m)
  assert.match(stdout, /^target: 0\.5 x raw dgram: [\d.]+, (reached|missed)$/m)
})
