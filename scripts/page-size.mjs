// Says what a page loads to have a peer: `node scripts/page-size.mjs`. A test holds the limits.

import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** The files of a page with one module script, and the most that each may be on the wire, in bytes. */
export const PAGE_FILES = [
  { file: 'browser.mjs', limits: { gzip: 48_600, brotli: 42_500 } },
  { file: 'anypath_core.wasm', limits: { gzip: 600_000, brotli: 450_000 } },
]

/**
 * @param {string} [dist] the folder with the built package
 * @returns {{file: string, raw: number, gzip: number, brotli: number, limits: {gzip: number, brotli: number}}[]} bytes
 */
export function pageSizes(dist = join(ROOT, 'dist')) {
  return PAGE_FILES.map(({ file, limits }) => {
    const bytes = readFileSync(join(dist, file))
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } })
    return { file, raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotli.length, limits }
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sizes = pageSizes()
  const sum = (kind) => sizes.reduce((total, size) => total + size[kind], 0)
  const total = { file: 'a page in all', raw: sum('raw'), gzip: sum('gzip'), brotli: sum('brotli') }
  for (const { file, raw, gzip, brotli } of [...sizes, total]) {
    console.log(`${file.padEnd(20)} ${[raw, gzip, brotli].map((bytes) => String(bytes).padStart(9)).join('')}`)
  }
  console.log(`${'bytes'.padEnd(20)} ${['raw', 'gzip', 'brotli'].map((kind) => kind.padStart(9)).join('')}`)
}
