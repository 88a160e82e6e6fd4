import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheDir, lastLines } from '../../scripts/cache.mjs'
import { hashCoreSources } from '../../scripts/core-sources.mjs'
import { run } from '../../scripts/run.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const NOT_COPIED = /[/\\](target|pkg|proptest-regressions)$/
const NAME = 'anypath_core'

/**
 * Builds the browser's core from a copy of the workspace with some edits, once for each state of the sources.
 *
 * @param {{name: string, edits?: [file: string, from: string | RegExp, to: string][], flags?: string[]}} variant
 *   `edits` replace text in files of the workspace; `flags` are those of scripts/build-wasm.mjs
 * @returns {Promise<{wasm: string, glue: string, raw: number, gzip: number, brotli: number}>}
 * @throws {Error} when an edit fits nothing, or the build fails
 */
export async function buildVariant({ name, edits = [], flags = [] }) {
  const source = join(ROOT, 'wasm')
  const folder = join(cacheDir, 'bench-cores', hashCoreSources(source).slice(0, 16), name.replace(/\W+/g, '-'))
  const files = { wasm: join(folder, 'pkg', `${NAME}.wasm`), glue: join(folder, 'pkg', `${NAME}.mjs`) }
  const record = join(folder, 'pkg', 'build.json')
  if (!existsSync(record)) await build({ source, folder, edits, flags })
  const { raw, gzip, brotli } = JSON.parse(readFileSync(record, 'utf8')).cores[NAME]
  writeFileSync(files.glue, readFileSync(join(folder, 'pkg', `${NAME}.js`)))
  return { ...files, raw, gzip, brotli }
}

async function build({ source, folder, edits, flags }) {
  const workspace = join(folder, 'wasm')
  mkdirSync(dirname(workspace), { recursive: true })
  cpSync(source, workspace, { recursive: true, filter: (path) => !NOT_COPIED.test(path) })
  for (const [file, from, to] of edits) {
    const path = join(workspace, file)
    const text = readFileSync(path, 'utf8')
    const edited = text.replace(from, to)
    if (edited === text) throw new Error(`${file} has nothing like ${from}`)
    writeFileSync(path, edited)
  }
  const script = join(ROOT, 'scripts', 'build-wasm.mjs')
  const args = [script, '--wasm', workspace, '--out', join(folder, 'pkg'), '--core', NAME, ...flags]
  const { code, output } = await run(process.execPath, args)
  if (code !== 0) throw new Error(lastLines(output, 5))
}
