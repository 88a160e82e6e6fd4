import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

interface PageSize {
  readonly file: string
  readonly gzip: number
  readonly brotli: number
  readonly limits: { readonly gzip: number; readonly brotli: number }
}
const { pageSizes }: { pageSizes(): PageSize[] } = await import(pathToFileURL(resolve('scripts/page-size.mjs')).href)

for (const { file, gzip, brotli, limits } of pageSizes()) {
  test(`${file} is ${gzip} bytes by gzip and ${brotli} by brotli, within its limits`, () => {
    assert(gzip < limits.gzip, `gzip: ${gzip} bytes, not under ${limits.gzip}`)
    assert(brotli < limits.brotli, `brotli: ${brotli} bytes, not under ${limits.brotli}`)
  })
}
