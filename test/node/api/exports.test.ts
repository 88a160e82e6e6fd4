import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import * as node from '../../../src/entry/node.js'
import * as index from '../../../src/index.js'

const EXPORTS = [
  'AbortedError',
  'AddressInUseError',
  'AlpnNotServedError',
  'AnypathError',
  'ClosedByPeerError',
  'ClosedLocallyError',
  'Connection',
  'DEFAULT_LIMITS',
  'DatagramTooLargeError',
  'Datagrams',
  'DatagramsUnsupportedError',
  'ERROR_TABLE',
  'EarlyDataRejectedError',
  'HandshakeFailedError',
  'IdleTimeoutError',
  'InternalError',
  'InvalidArgumentError',
  'InvalidConfigError',
  'InvalidKeyError',
  'InvalidRecordError',
  'InvalidTicketError',
  'KeyInUseError',
  'NoAddressError',
  'NoRelayConfiguredError',
  'Peer',
  'PeerClosedError',
  'PeerRestartedError',
  'ProtocolViolationError',
  'ReceiveStream',
  'RefusedError',
  'RelayDeniedError',
  'RelayUnreachableError',
  'SendStream',
  'Session',
  'StorageUnavailableError',
  'StreamClosedError',
  'StreamLimitError',
  'StreamResetError',
  'StreamStoppedError',
  'Ticket',
  'TooManyConnectionsError',
  'TransportClosedByPeerError',
  'TransportFailedError',
  'UnreachableError',
  'VersionMismatchError',
  'WrongKeyError',
  'n0Relays',
  'pkarrDiscovery',
  'pkarrPublisher',
  'staticDiscovery',
]

test('what is public is exactly this', () => {
  assert.deepEqual(Object.keys(node).sort(), [...EXPORTS].sort())
})

test('the types that are published describe what the entries export', () => {
  assert.deepEqual(Object.keys(index).sort(), Object.keys(node).sort())
  assert.ok(node.Peer.prototype instanceof index.Peer)
})

test('a build without a platform says so', async () => {
  await assert.rejects(index.Peer.create(), index.InternalError)
})

test('a peer in Node keeps no key in a browser, and says so', async () => {
  await assert.rejects(node.Peer.create({ persist: true }), node.InvalidConfigError)
})

test('a core that is given by its code is used, and one that is no code is named', async () => {
  const wasm = new URL('../../../src/core/anypath_core_node.wasm', import.meta.url)
  const core = WebAssembly.compile(await readFile(wasm))
  const peer = await node.Peer.create({ core, udp: { host: '127.0.0.1' } })
  await peer.close()
  const wrong = new Uint8Array(8)
  await assert.rejects(node.Peer.create({ core: wrong }), (error) => {
    assert.ok(error instanceof node.InvalidConfigError)
    assert.match(error.message, /^core: what was given can't be compiled: /)
    return true
  })
})
