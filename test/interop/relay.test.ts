// time limit: 300 s
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRelay } from '../../src/relay/index.js'
import { IrohPeer, skipStock, talk } from './stock-peers.js'

const ALPN = ['--alpn', 'anypath-test/1']
/** Long enough to be refused at least once: an iroh peer tries again and again. */
const SOON = ['--relay-wait-ms', '5000']

test('two stock iroh peers exchange streams and datagrams over our relay, and over nothing else', {
  skip: skipStock,
}, async () => {
  await using relay = await startRelay({ port: 0 })
  await talk(['--relay', relay.url], 2 << 20)
  const { accepted, protocolErrors, bytesSent, refusedKey } = relay.metrics()
  assert.deepEqual({ accepted, protocolErrors, refusedKey }, { accepted: 2, protocolErrors: 0, refusedKey: 0 })
  assert.ok(bytesSent > 8 << 20, `${bytesSent} bytes were passed on`)
})

test('stock iroh peers present a token that our relay asks for', { skip: skipStock }, async () => {
  await using relay = await startRelay({ port: 0, tokens: ['a token'] })
  await talk(['--relay', relay.url, '--relay-token', 'a token'], 100_000)
  await using stranger = new IrohPeer(['listen', ...ALPN, '--relay', relay.url, ...SOON])
  await assert.rejects(stranger.report('listening'), /no relay answers/)
  assert.ok(relay.metrics().refusedAccess > 0)
})

test('a stock iroh peer whose key is on no list is not served', { skip: skipStock }, async () => {
  await using relay = await startRelay({ port: 0, allow: [`${'0'.repeat(63)}1`] })
  await using stranger = new IrohPeer(['listen', ...ALPN, '--relay', relay.url, ...SOON])
  await assert.rejects(stranger.report('listening'), /no relay answers/)
  assert.ok(relay.metrics().refusedAccess > 0)
  assert.equal(relay.metrics().clients, 0)
})
