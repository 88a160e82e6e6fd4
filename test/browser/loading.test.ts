// time limit: 600 s

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as Anypath from '../../src/index.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { createAndDial, failure, packagePages, STRICT_POLICY, withImages } from './harness/pages.js'

declare const anypath: typeof Anypath

const user = await userProject()
const policy = (text: string) => ({ 'content-security-policy': text })

/** Runs in the page: makes a peer and says by which calls the core was compiled. */
async function compilations(): Promise<string[]> {
  const calls: string[] = []
  const { compile, compileStreaming } = WebAssembly
  WebAssembly.compile = (source) => {
    calls.push('compile')
    return compile(source)
  }
  WebAssembly.compileStreaming = (source) => {
    calls.push('compileStreaming')
    return compileStreaming(source)
  }
  const peer = await anypath.Peer.create()
  await peer.close()
  return calls
}

testInBrowsers('the core is compiled while it arrives, and is fetched once', async ({ serve, open }) => {
  const site = await serve(packagePages(user))
  const page = await open(site.url)
  assert.deepEqual(await page.evaluate(compilations), ['compileStreaming'])
  assert.deepEqual(
    site.requests.filter((path) => path.endsWith('.wasm')),
    ['/anypath/anypath_core.wasm'],
  )
})

testInBrowsers('a server that gives the core a wrong content type does no harm', async ({ serve, open }) => {
  for (const type of ['application/octet-stream', 'text/plain', 'application/wasm-what']) {
    const page = await open((await serve(packagePages(user, { types: { '.wasm': type } }))).url)
    assert.deepEqual(await page.evaluate(compilations), ['compile'])
  }
})

testInBrowsers('a core that is not where it should be is a typed error that says what to do', async (browser) => {
  const { serve, open } = browser
  browser.expectError(/404/)
  const module = await readFile(join(user.dist, 'browser.mjs'), 'utf8')
  const siteWith = (fallback?: string) => {
    const script = "import * as anypath from '/app/browser.mjs'\nglobalThis.anypath = anypath\n"
    const files = { '/page.js': script, '/app/browser.mjs': module }
    return serve(packagePages(user, { files, ...(fallback !== undefined && { fallback }) }))
  }
  const missing = await open((await siteWith()).url)
  const none = await missing.evaluate(failure, undefined)
  assert.equal(none.code, 'InvalidConfig')
  assert.match(none.message, /^core: http:.*\/app\/anypath_core.wasm answered 404; serve anypath\/core.wasm there$/)

  const applicationPage = await open((await siteWith('<!doctype html><title>the application</title>')).url)
  const wrong = await applicationPage.evaluate(failure, undefined)
  assert.equal(wrong.code, 'InvalidConfig')
  assert.match(wrong.message, /^core: .*anypath_core.wasm can't be compiled: /)
})

testInBrowsers('a strict Content-Security-Policy suffices', async ({ serve, open }) => {
  const page = await open((await serve(packagePages(user, { headers: policy(STRICT_POLICY) }))).url)
  assert.equal((await page.evaluate(createAndDial)).dial, 'NoRelayConfigured')
})

testInBrowsers(
  "what a policy lacks is named: 'wasm-unsafe-eval', or the core's place in connect-src",
  async (browser) => {
    const { serve, open } = browser
    browser.expectError(/Content.Security.Policy|blocked|WebAssembly/i)
    const failureUnder = async (text: string) => {
      const page = await open((await serve(packagePages(user, { headers: policy(text) }))).url)
      return page.evaluate(failure, undefined)
    }
    const noWasm = await failureUnder(withImages("script-src 'self'; connect-src 'self'"))
    assert.equal(noWasm.code, 'InvalidConfig')
    assert.match(noWasm.message, /^core: .*can't be compiled: .*(Content.Security.Policy|CSP)/i)
    const noFetch = await failureUnder(withImages("script-src 'self' 'wasm-unsafe-eval'; connect-src ws:"))
    assert.equal(noFetch.code, 'TransportFailed')
    assert.match(noFetch.message, /^core: can't be fetched from http:/)
  },
)

testInBrowsers('anypath/slim takes the core in every form, and says when there is none', async ({ serve, open }) => {
  const files = { '/page.js': "import * as anypath from '/anypath/slim.mjs'\nglobalThis.anypath = anypath\n" }
  const site = await serve(packagePages(user, { files }))
  const page = await open(site.url)
  assert.deepEqual(await page.evaluate(failure, undefined), {
    code: 'InvalidConfig',
    message: 'core: must be given with anypath/slim: the code of anypath/core.wasm',
  })
  assert(!site.requests.some((path) => path.endsWith('.wasm')))
  const made = await page.evaluate(async () => {
    const place = '/anypath/anypath_core.wasm'
    const buffer = await (await fetch(place)).arrayBuffer()
    const cores: Record<string, Anypath.PeerOptions['core']> = {
      url: new URL(place, location.href),
      response: await fetch(place),
      'promise of a response': fetch(place),
      buffer,
      bytes: new Uint8Array(buffer),
      module: await WebAssembly.compile(buffer),
    }
    const made: string[] = []
    for (const [form, core] of Object.entries(cores)) {
      const peer = await anypath.Peer.create({ ...(core && { core }) })
      if (/^[0-9a-f]{64}$/.test(peer.id)) made.push(form)
      await peer.close()
    }
    return made
  })
  assert.deepEqual(made, ['url', 'response', 'promise of a response', 'buffer', 'bytes', 'module'])
})
