// time limit: 300 s

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WATCH } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { type Created, createAndDial, packagePages } from './harness/pages.js'
import { serveSite } from './harness/site.js'
import { launchWebkit, webkitMissing } from './harness/webkit.js'

const user = await userProject()

test('a module script makes a peer (webkit)', { skip: webkitMissing(), timeout: 120_000 }, async () => {
  const site = await serveSite(packagePages(user, { files: { '/watch.js': WATCH } }))
  const webkit = await launchWebkit()
  try {
    await webkit.open(site.url)
    const { id, dial, closed, ...rest } = await webkit.run<Created>(`return (${createAndDial})()`)
    assert.match(id ?? '', /^[0-9a-f]{64}$/, JSON.stringify(rest))
    assert.deepEqual([dial, closed], ['NoRelayConfigured', 'PeerClosed'])
    assert.deepEqual(await webkit.run('return globalThis.wrong'), [])
  } finally {
    await webkit.close()
    await site.close()
  }
})
