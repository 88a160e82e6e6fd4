import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { transform } from 'esbuild'

const root = process.env.ANYPATH_ROOT ?? process.cwd()
const entries: Readonly<Record<string, string>> = {
  anypath: pathToFileURL(join(root, 'dist', 'node.mjs')).href,
  'anypath/relay': pathToFileURL(join(root, 'dist', 'relay.mjs')).href,
}
const IMPORT = /from ['"](anypath(?:\/relay)?)['"]/g
const pages = [
  'README.md',
  ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
]
let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anypath-snippets-'))
})
after(() => rm(folder, { recursive: true }))

for (const page of pages) {
  const text = await readFile(join(root, page), 'utf8')
  for (const [index, [, language = '', code = '']] of [...text.matchAll(/^```(ts|js)\n([\s\S]*?)^```/gm)].entries()) {
    test(`${page}: snippet ${index + 1} ${code.match(IMPORT) ? 'runs' : 'parses'}`, async () => {
      const { code: script } = await transform(code, { loader: language === 'ts' ? 'ts' : 'js', format: 'esm' })
      if (!code.match(IMPORT)) return
      const file = join(folder, `${page.replace(/\W/g, '-')}-${index}.mjs`)
      await writeFile(
        file,
        script.replace(IMPORT, (_, name: string) => `from '${entries[name]}'`),
      )
      const { exitCode, output, errors } = await run(file)
      assert.equal(exitCode, 0, `${output}${errors}`)
      // A trailing comment behind a console.log says what it prints, up to a colon.
      for (const [, printed = ''] of code.matchAll(/console\.log\(.*\) \/\/ ([^:\n]+)/g)) {
        assert.ok(output.includes(printed.trim()), `does not print ${printed}: ${output}`)
      }
    })
  }
}

function run(file: string): Promise<{ exitCode: number | null; output: string; errors: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--unhandled-rejections=strict', file], { timeout: 60_000 })
    let output = ''
    let errors = ''
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
    })
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString()
    })
    child.on('close', (exitCode) => resolve({ exitCode, output, errors }))
  })
}
