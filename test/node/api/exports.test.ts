import assert from 'node:assert/strict'
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
