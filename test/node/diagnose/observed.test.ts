import assert from 'node:assert/strict'
import { test } from 'node:test'
import { natByObservations, observed } from '../../../src/diagnose/observed.node.js'
import type { AddressObservation } from '../../../src/index.js'

const LOCAL = [{ host: '127.0.0.1', port: 4433 }]
const seenBy = (host: string, mapped: string, port: number): AddressObservation => ({
  host,
  port: 7842,
  mapped: { host: mapped, port },
})

test('what relays tell of one socket says how a NAT maps, and no more', () => {
  const nat = natByObservations([seenBy('a', '192.0.2.1', 7), seenBy('b', '192.0.2.1', 7)], LOCAL, 4)
  assert.deepEqual(nat, {
    kind: 'cone',
    translated: true,
    mapping: 'endpoint-independent',
    filtering: 'unknown',
    ports: 'unknown',
    addresses: ['192.0.2.1'],
  })
  const symmetric = natByObservations([seenBy('a', '192.0.2.1', 7), seenBy('b', '192.0.2.2', 8)], LOCAL, 4)
  assert.deepEqual(
    [symmetric?.kind, symmetric?.mapping, symmetric?.ports, symmetric?.addresses],
    ['symmetric', 'dependent', 'unknown', ['192.0.2.1', '192.0.2.2']],
  )
  const kept = natByObservations([seenBy('a', '192.0.2.1', 4433)], LOCAL, 4)
  assert.deepEqual([kept?.ports, kept?.mapping, kept?.translated], ['preserved', 'unknown', true])
  const own = natByObservations([seenBy('a', '127.0.0.1', 4433)], LOCAL, 4)
  assert.deepEqual([own?.kind, own?.translated], ['none', false])
})

test('each family is judged by itself, and without a word of it nothing is said', () => {
  const told = [seenBy('a', '2001:db8::1', 7), seenBy('b', '2001:db8::1', 7)]
  assert.equal(natByObservations(told, LOCAL, 4), undefined)
  assert.equal(natByObservations(told, LOCAL, 6)?.mapping, 'endpoint-independent')
})

test('it is waited for no longer than until all have told, the time is over, or the signal fires', async () => {
  let reads = 0
  const growing = async () => {
    reads += 1
    return reads < 3 ? [] : [seenBy('a', '192.0.2.1', 7)]
  }
  const never = new AbortController().signal
  assert.equal((await observed(growing, 1, never)).length, 1)
  assert.equal(reads, 3)
  assert.deepEqual(await observed(async () => [], 1, AbortSignal.abort()), [])
  const began = performance.now()
  assert.deepEqual(await observed(async () => [], 1, never), [])
  assert.ok(performance.now() - began >= 2900)
})
