// time limit: 600 s

import assert from 'node:assert/strict'
import type * as Anypath from '../../src/index.js'
import { html, testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { failure, packagePages } from './harness/pages.js'

declare const anypath: typeof Anypath

const user = await userProject()

/** Runs in the page: makes a peer that stays, and gives its id. */
async function kept(persist: Anypath.Settings['persist']): Promise<string> {
  const peer = await anypath.Peer.create({ persist: persist ?? true })
  Object.assign(globalThis, { kept: peer })
  return peer.id
}

/** Runs in the page: closes what `kept` made. */
function closeKept(): Promise<void> {
  return (globalThis as unknown as { kept: Anypath.Peer }).kept.close()
}

testInBrowsers('a key that is not asked for is not kept', async ({ serve, open, profile }) => {
  const { url } = await serve(packagePages(user))
  const page = await open(url, await profile())
  const databases = await page.evaluate(async () => {
    await (await anypath.Peer.create()).close()
    return (await indexedDB.databases()).length
  })
  assert.equal(databases, 0)
})

testInBrowsers('a kept key is the same after a reload and in the next tab', async ({ serve, open, profile }) => {
  const { url } = await serve(packagePages(user))
  const own = await profile()
  const page = await open(url, own)
  const id = await page.evaluate(kept, true)
  assert.match(id, /^[0-9a-f]{64}$/)
  // The peer is not closed: its key is free as soon as the page is gone.
  await page.reload()
  assert.equal(await page.evaluate(kept, true), id)
  await page.close()
  const next = await open(url, own)
  assert.equal(await next.evaluate(kept, true), id)
  const other = await open(url, await profile())
  assert.notEqual(await other.evaluate(kept, true), id)
})

testInBrowsers('a key is used by one tab at a time, until its peer is closed', async ({ serve, open, profile }) => {
  const { url } = await serve(packagePages(user))
  const own = await profile()
  const [first, second] = [await open(url, own), await open(url, own)]
  const id = await first.evaluate(kept, { name: 'chat' })
  assert.deepEqual(await second.evaluate(failure, { persist: { name: 'chat' } }), {
    code: 'KeyInUse',
    message: "the key 'chat' is in use in another tab or by another peer of this page",
  })
  assert.equal((await first.evaluate(failure, { persist: { name: 'chat' } })).code, 'KeyInUse')
  const fresh = await second.evaluate(kept, { name: 'chat', whenInUse: 'fresh-key' as const })
  assert.notEqual(fresh, id)
  const named = await second.evaluate(async () => {
    const peer = await anypath.Peer.create({ persist: { name: 'another' } })
    await peer.close()
    return peer.id
  })
  assert.notEqual(named, id)
  await first.evaluate(closeKept)
  assert.equal(await second.evaluate(kept, { name: 'chat' }), id)
})

testInBrowsers('a worker keeps a key too, and holds it while it lives', async ({ serve, open }) => {
  const files = {
    '/worker.js': `
      import { Peer } from '/anypath/browser.mjs'
      Peer.create({ persist: true }).then(({ id }) => postMessage(id), ({ code }) => postMessage(code))`,
  }
  const page = await open((await serve(packagePages(user, { files }))).url)
  const [first, second, third] = await page.evaluate(async () => {
    const start = async () => {
      const worker = new Worker('/worker.js', { type: 'module' })
      const said = await new Promise<string>((resolve) => {
        worker.onmessage = ({ data }) => resolve(data)
      })
      return { worker, said }
    }
    const one = await start()
    const two = await start()
    one.worker.terminate()
    const three = await start()
    return [one.said, two.said, three.said]
  })
  assert.match(first ?? '', /^[0-9a-f]{64}$/)
  assert.deepEqual([second, third], ['KeyInUse', first])
})

testInBrowsers('where storage is blocked, a kept key is a typed error', async ({ serve, open }) => {
  const files = { '/index.html': html('<script src="/anypath/anypath.global.js"></script>') }
  // A sandboxed page has an origin of its own, and with it no storage.
  const headers = { 'content-security-policy': 'sandbox allow-scripts', 'access-control-allow-origin': '*' }
  const page = await open((await serve(packagePages(user, { files, headers }))).url)
  const { code, message } = await page.evaluate(failure, { persist: true })
  assert.equal(code, 'StorageUnavailable')
  assert.match(message, /^persist: this page can't keep a key \(SecurityError: /)
  assert.equal((await page.evaluate(failure, {})).code, 'none')
})

testInBrowsers('what lies in the place of a key and is none is a typed error', async ({ serve, open }) => {
  const page = await open((await serve(packagePages(user))).url)
  await page.evaluate(kept, true)
  await page.evaluate(closeKept)
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const request = indexedDB.open('anypath', 1)
        request.onsuccess = () => {
          const transaction = request.result.transaction('keys', 'readwrite')
          transaction.objectStore('keys').put('a text', 'default')
          transaction.oncomplete = () => {
            request.result.close()
            resolve()
          }
        }
      }),
  )
  assert.deepEqual(await page.evaluate(failure, { persist: true }), {
    code: 'InvalidKey',
    message: "what is kept as the key 'default' is no key",
  })
})
