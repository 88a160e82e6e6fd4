// time limit: 900 s

import assert from 'node:assert/strict'
import { after } from 'node:test'
import type * as Anypath from '../../src/index.js'
import { testInBrowsers } from './harness/in-browsers.js'
import { userProject } from './harness/package.js'
import { packagePages } from './harness/pages.js'
import {
  dialInPage,
  echoInPage,
  inNode,
  policyFor,
  receiveFile,
  sendFile,
  sendFileInPage,
  servedInPage,
  serveInPage,
  startRelay,
  until,
} from './harness/relayed.js'

const FILE_BYTES = 64 << 20

const user = await userProject()
const { Peer } = await inNode(user)
/** It outlives the pages: of a relay that has gone they say that it can't be reached. */
const relay = await startRelay(user)
after(() => relay.close())

testInBrowsers('a file of 64 MiB arrives whole, from the page and at the page', async ({ serve, open }) => {
  const node = await Peer.create({ alpns: ['test/1'], relays: [relay.url], udp: { host: '127.0.0.1' } })
  try {
    const { url } = await serve(packagePages(user, { headers: policyFor([relay.url]) }))
    const page = await open(url)
    await node.online()
    const arrived = node.incoming[Symbol.asyncIterator]().next()
    await page.evaluate(dialInPage, { relay: relay.url, ticket: String(await node.ticket()) })
    const connection: Anypath.Connection = (await arrived).value
    const received = receiveFile(connection)
    assert.equal(await page.evaluate(sendFileInPage, FILE_BYTES), await received)

    const receiver = await open(url)
    const back = await node.connect(await receiver.evaluate(serveInPage, relay.url), { alpn: 'test/1' })
    const sent = await sendFile(back, FILE_BYTES)
    await until('the page has the file', async () => (await receiver.evaluate(servedInPage)).hashes.length > 0)
    assert.deepEqual((await receiver.evaluate(servedInPage)).hashes, [sent])
  } finally {
    await node.close()
  }
})

testInBrowsers('a relay that is killed and restarted costs a transfer nothing but time', async (browser) => {
  const { serve, open } = browser
  // What the browser itself says of a WebSocket that was refused while the relay was away.
  browser.expectError(
    /WebSocket connection to|can.t establish a connection to the server at ws:|connection to ws:.* was interrupted/,
  )
  let relay = await startRelay(user)
  const node = await Peer.create({ alpns: ['test/1'], relays: [relay.url], udp: { host: '127.0.0.1' } })
  try {
    const page = await open((await serve(packagePages(user, { headers: policyFor([relay.url]) }))).url)
    await node.online()
    const arrived = node.incoming[Symbol.asyncIterator]().next()
    await page.evaluate(dialInPage, { relay: relay.url, ticket: String(await node.ticket()) })
    const connection: Anypath.Connection = (await arrived).value
    let ended = false
    connection.closed
      .finally(() => {
        ended = true
      })
      .catch(() => {})
    const received = receiveFile(connection)
    const sent = page.evaluate(sendFileInPage, FILE_BYTES)
    sent.catch(() => {})
    const bytesReceived = async () => (await connection.getStats()).bytesReceived
    await until('a quarter has arrived', async () => (await bytesReceived()) > FILE_BYTES / 4)
    await relay.close()
    const atKill = await bytesReceived()
    assert(atKill < FILE_BYTES, 'the transfer was over before the relay was killed')
    relay = await startRelay(user, relay.httpPort)
    assert.equal(await sent, await received)
    assert.equal(ended, false)
    const alive = page.evaluate(echoInPage, 'the same connection')
    for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
      void readable.pipeTo(writable).catch(() => {})
      break
    }
    assert.equal(await alive, 'the same connection')
  } finally {
    await node.close()
    await relay.close()
  }
})
