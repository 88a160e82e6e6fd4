// time limit: 600 s

import assert from 'node:assert/strict'
import type * as Anypath from '../../src/index.js'
import { html, testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { type Created, createAndDial, memoryTransport, packagePages, STRICT_POLICY } from './harness/pages.js'

declare const anypath: typeof Anypath

const user = await userProject()

function assertWorks({ id, dial, closed }: Created): void {
  assert.match(id, /^[0-9a-f]{64}$/)
  assert.deepEqual([dial, closed], ['NoRelayConfigured', 'PeerClosed'])
}

testInBrowsers('a module script makes a peer, which needs a relay to dial', async ({ serve, open }) => {
  const page = await open((await serve(packagePages(user))).url)
  assertWorks(await page.evaluate(createAndDial))
})

testInBrowsers('a plain script has the global `anypath`, and finds the core beside itself', async ({ serve, open }) => {
  const files = { '/room/index.html': html('<script src="/anypath/anypath.global.js"></script>') }
  const page = await open(`${(await serve(packagePages(user, { files }))).url}/room/index.html`)
  assertWorks(await page.evaluate(createAndDial))
})

testInBrowsers('two peers of one page exchange a stream, byte for byte', async ({ serve, open }) => {
  const files = { '/memory.js': await memoryTransport() }
  const page = await open((await serve(packagePages(user, { files, headers: csp(STRICT_POLICY) }))).url)
  const result = await page.evaluate(async () => {
    const path = '/memory.js'
    const { MemoryHub, systemClock } = await import(path)
    const hub = new MemoryHub({ clock: systemClock() })
    const [near, far] = [hub.port('10.0.0.1', 1), hub.port('10.0.0.2', 1)]
    const alice = await anypath.Peer.create({ transports: [near] })
    const bob = await anypath.Peer.create({ transports: [far], alpns: ['test/1'] })
    const target = { id: bob.id, addresses: [{ host: '10.0.0.2', port: 1, transport: 'memory' as const }] }
    const echo = (async () => {
      for await (const connection of bob.incoming) {
        for await (const { readable, writable } of connection.incomingBidirectionalStreams)
          void readable.pipeTo(writable).catch(() => {})
      }
    })()
    const connection = await alice.connect(target, { alpn: 'test/1' })
    const sent = new Uint8Array(4 << 20).map((_, i) => (i * 31) ^ (i >> 8))
    const { readable, writable } = await connection.createBidirectionalStream()
    const writing = new Blob([sent])
      .stream()
      .pipeTo(writable)
      .catch(() => {})
    const received = new Uint8Array(
      await new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer(),
    )
    const same = received.length === sent.length && received.every((byte, i) => byte === sent[i])
    const { remoteId } = connection
    await alice.close()
    await bob.close()
    await Promise.all([echo, writing])
    return { same, remoteIsBob: remoteId === bob.id }
  })
  assert.deepEqual(result, { same: true, remoteIsBob: true })
})

testInBrowsers('a module worker has a peer, and so has a classic one', async ({ serve, open }) => {
  const report = `
    anypath.Peer.create().then(async (peer) => {
      const dial = await peer.connect('ab'.repeat(32), { alpn: 'test/1' }).catch((error) => error.code)
      await peer.close()
      const closed = await peer.ticket().catch((error) => error.code)
      postMessage({ id: peer.id, dial, closed })
    }, (error) => postMessage({ id: String(error) }))`
  const files = {
    '/module-worker.js': `import * as anypath from '/anypath/browser.mjs'\n${report}`,
    // A classic worker knows but its own address, so that is where the core is looked for.
    '/anypath/classic-worker.js': `importScripts('/anypath/anypath.global.js')\n${report}`,
  }
  const page = await open((await serve(packagePages(user, { files, headers: csp(STRICT_POLICY) }))).url)
  const inWorker = ({ url, type }: { url: string; type: string }) =>
    new Promise<Created>((resolve, reject) => {
      const worker = new Worker(url, { type: type as WorkerType })
      worker.onmessage = ({ data }) => resolve(data)
      worker.onerror = ({ message }) => reject(new Error(message))
    })
  assertWorks(await page.evaluate(inWorker, { url: '/module-worker.js', type: 'module' }))
  assertWorks(await page.evaluate(inWorker, { url: '/anypath/classic-worker.js', type: 'classic' }))
})

testInBrowsers('a page uses a peer that runs in a worker', async ({ serve, open }) => {
  const files = {
    '/worker.js': `
      import { Peer } from '/anypath/browser.mjs'
      const peer = await Peer.create({ alpns: ['test/1'] })
      peer.serve(self)
      postMessage({ id: peer.id })`,
  }
  const page = await open((await serve(packagePages(user, { files }))).url)
  const result = await page.evaluate(async () => {
    const worker = new Worker('/worker.js', { type: 'module' })
    const id = await new Promise<string>((resolve) => {
      worker.addEventListener('message', ({ data }) => data.id && resolve(data.id), { once: true })
    })
    const peer = await anypath.Peer.attach(worker as unknown as Anypath.EnginePort)
    const dial = await peer.connect('ab'.repeat(32), { alpn: 'test/1' }).catch((error) => error.code)
    const ticket = await peer.ticket()
    const parsed = await peer.parseTicket(ticket.toString())
    const sameTicket = parsed.id === id
    await peer.close()
    return { sameId: peer.id === id, sameTicket, dial }
  })
  assert.deepEqual(result, { sameId: true, sameTicket: true, dial: 'NoRelayConfigured' })
})

function csp(policy: string): Record<string, string> {
  return { 'content-security-policy': policy }
}
