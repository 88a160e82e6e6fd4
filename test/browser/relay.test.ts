// time limit: 900 s

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type * as Anypath from '../../src/index.js'
import { testInBrowsers, WATCH } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import {
  type Dialled,
  dialInPage,
  echo,
  echoed,
  echoInPage,
  inNode,
  policyFor,
  servedInPage,
  serveInPage,
  startRelay,
} from './harness/relayed.js'
import { serveSite } from './harness/site.js'
import { launchWebkit, webkitMissing } from './harness/webkit.js'

declare const anypath: typeof Anypath

const user = await userProject()
const { Peer } = await inNode(user)
const relay = await startRelay(user)
after(() => relay.close())
const pages = () => packagePages(user, { headers: policyFor([relay.url]) })

testInBrowsers('two tabs talk over the relay, under a strict policy', async ({ serve, open, profile }) => {
  const { url } = await serve(pages())
  const own = await profile()
  const [bob, alice] = [await open(url, own), await open(url, own)]
  const ticket = await bob.evaluate(serveInPage, relay.url)
  const { paths } = await alice.evaluate(dialInPage, { relay: relay.url, ticket })
  assert.deepEqual(paths, ['relay'])
  assert.equal(await alice.evaluate(echoInPage, 'hello, Bob'), 'hello, Bob')
})

testInBrowsers('a tab dials Node, and Node dials a tab', async ({ serve, open }) => {
  const page = await open((await serve(pages())).url)
  const node = await Peer.create({ alpns: ['test/1'], relays: [relay.url], udp: { host: '127.0.0.1' } })
  try {
    void echo(node)
    await node.online()
    const { remoteId } = await page.evaluate(dialInPage, { relay: relay.url, ticket: String(await node.ticket()) })
    assert.equal(remoteId, node.id)
    assert.equal(await page.evaluate(echoInPage, 'to Node and back'), 'to Node and back')
    const ticket = await page.evaluate(serveInPage, relay.url)
    const connection = await node.connect(ticket, { alpn: 'test/1' })
    assert.deepEqual(
      connection.paths.map(({ kind }) => kind),
      ['relay'],
    )
    assert.equal(await echoed(connection, 'to the tab and back'), 'to the tab and back')
  } finally {
    await node.close()
  }
})

testInBrowsers(
  'a tab talks with a tab in Chromium',
  async ({ serve, open, profile }) => {
    const { url } = await serve(pages())
    const bob = await open(url)
    const alice = await open(url, await profile('chromium'))
    const ticket = await bob.evaluate(serveInPage, relay.url)
    await alice.evaluate(dialInPage, { relay: relay.url, ticket })
    assert.equal(await alice.evaluate(echoInPage, 'hello, Firefox'), 'hello, Firefox')
  },
  { engines: ['firefox'], with: 'chromium' },
)

testInBrowsers('a peer in a worker is reached over the relay', async ({ serve, open }) => {
  const files = {
    '/worker.js': `
      import { Peer } from '/anypath/browser.mjs'
      const peer = await Peer.create({ alpns: ['test/1'], relays: ['${relay.url}'] })
      peer.serve(self)
      postMessage({ ready: true })`,
  }
  const page = await open((await serve(packagePages(user, { files, headers: policyFor([relay.url]) }))).url)
  const node = await Peer.create({ relays: [relay.url], udp: { host: '127.0.0.1' } })
  try {
    const ticket = await page.evaluate(async () => {
      const worker = new Worker('/worker.js', { type: 'module' })
      await new Promise<void>((resolve) => {
        worker.addEventListener('message', ({ data }) => data.ready && resolve())
      })
      const peer = await anypath.Peer.attach(worker as unknown as Anypath.EnginePort)
      void (async () => {
        for await (const connection of peer.incoming) {
          for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
            readable.pipeTo(writable).catch(() => {})
          }
        }
      })()
      await peer.online({ timeoutMs: 30_000 })
      return String(await peer.ticket())
    })
    const connection = await node.connect(ticket, { alpn: 'test/1', timeoutMs: 30_000 })
    assert.equal(await echoed(connection, 'through the worker'), 'through the worker')
  } finally {
    await node.close()
  }
})

test('Node reaches a page in WebKit over the relay', { skip: webkitMissing(), timeout: 120_000 }, async () => {
  const site = await serveSite(packagePages(user, { files: { '/watch.js': WATCH }, headers: policyFor([relay.url]) }))
  const webkit = await launchWebkit()
  const node = await Peer.create({ alpns: ['test/1'], relays: [relay.url], udp: { host: '127.0.0.1' } })
  try {
    void echo(node)
    await webkit.open(site.url)
    const ticket = await webkit.run<string>(`return (${serveInPage})(${JSON.stringify(relay.url)})`)
    const connection = await node.connect(ticket, { alpn: 'test/1', timeoutMs: 30_000 })
    assert.equal(await echoed(connection, 'to WebKit and back'), 'to WebKit and back')
    await node.online()
    const target = JSON.stringify({ relay: relay.url, ticket: String(await node.ticket()) })
    assert.deepEqual((await webkit.run<Dialled>(`return (${dialInPage})(${target})`)).paths, ['relay'])
    assert.equal(await webkit.run(`return (${echoInPage})('from WebKit')`), 'from WebKit')
    assert.deepEqual(await webkit.run('return globalThis.wrong'), [])
    assert.equal((await webkit.run<ReturnType<typeof servedInPage>>(`return (${servedInPage})()`)).closed, '')
  } finally {
    await node.close()
    await webkit.close()
    await site.close()
  }
})
