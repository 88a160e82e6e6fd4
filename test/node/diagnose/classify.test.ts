import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kindOf, mappingOf, type Observation, portsOf } from '../../../src/diagnose/classify.js'
import type { NatReport, RemoteKind } from '../../../src/diagnose/report.js'
import { remoteKindOf, verdicts } from '../../../src/diagnose/verdict.js'

const LOCAL_PORT = 40_000

/** What servers `a:1`, `a:2`, `b:1`, `b:2` see, as ports of one external address. */
function seen(ports: Readonly<Record<string, number>>): Observation[] {
  return Object.entries(ports).map(([server, port], order) => {
    const [host = '', serverPort] = server.split(':')
    const mapped = { host: '198.51.100.1', port }
    return { server: { host, port: Number(serverPort) }, mapped, localPort: LOCAL_PORT, order }
  })
}

test('a mapping depends on what it differs by', () => {
  assert.equal(mappingOf(seen({ 'a:1': 7 })), 'unknown')
  assert.equal(mappingOf(seen({ 'a:1': 7, 'a:2': 7 })), 'unknown', 'one address says nothing about others')
  assert.equal(mappingOf(seen({ 'a:1': 7, 'b:1': 7 })), 'endpoint-independent')
  assert.equal(mappingOf(seen({ 'a:1': 7, 'b:1': 9 })), 'dependent')
  assert.equal(mappingOf(seen({ 'a:1': 7, 'a:2': 7, 'b:1': 9 })), 'address-dependent')
  assert.equal(mappingOf(seen({ 'a:1': 7, 'a:2': 8 })), 'address-and-port-dependent')
  assert.equal(mappingOf(seen({ 'a:1': 7, 'a:2': 8, 'b:1': 7 })), 'address-and-port-dependent', 'equal by chance')
})

test('ports are preserved, in a sequence in either direction and across the end, or random', () => {
  assert.deepEqual(portsOf([]), { ports: 'unknown' })
  assert.deepEqual(portsOf(seen({ 'a:1': LOCAL_PORT, 'b:1': LOCAL_PORT })), { ports: 'preserved' })
  assert.deepEqual(portsOf(seen({ 'a:1': 500, 'b:1': 500 })), { ports: 'unknown' }, 'one mapping is no sequence')
  assert.deepEqual(portsOf(seen({ 'a:1': 500, 'b:1': 502, 'a:2': 506 })), { ports: 'sequential', stride: 2 })
  assert.deepEqual(portsOf(seen({ 'a:1': 500, 'b:1': 496, 'a:2': 490 })), { ports: 'sequential', stride: -2 })
  assert.deepEqual(portsOf(seen({ 'a:1': 65_535, 'b:1': 1, 'a:2': 3 })), { ports: 'sequential', stride: 2 })
  assert.deepEqual(portsOf(seen({ 'a:1': 500, 'b:1': 600 })), { ports: 'unknown' }, 'one step of 100 may be chance')
  assert.deepEqual(portsOf(seen({ 'a:1': 500, 'b:1': 30_000 })), { ports: 'random' })
  assert.deepEqual(portsOf(seen({ 'a:1': 500, 'b:1': 501, 'a:2': 499 })), { ports: 'random' }, 'in no order')
})

test('the order of sending counts, not that of answering', () => {
  const [first, second, third] = seen({ 'a:1': 500, 'b:1': 501, 'a:2': 502 })
  assert.deepEqual(portsOf([third, first, second].filter((one) => one !== undefined)), {
    ports: 'sequential',
    stride: 1,
  })
})

const nat = (fields: Partial<NatReport>): NatReport => ({
  translated: true,
  kind: 'unknown',
  mapping: 'endpoint-independent',
  filtering: 'address-and-port-dependent',
  ports: 'random',
  addresses: [],
  ...fields,
})

test('a NAT has the name that people know it by', () => {
  assert.equal(kindOf(nat({ filtering: 'endpoint-independent' })), 'full-cone')
  assert.equal(kindOf(nat({ filtering: 'unknown' })), 'cone')
  assert.equal(kindOf(nat({ mapping: 'dependent' })), 'symmetric')
  assert.equal(kindOf(nat({ mapping: 'unknown' })), 'unknown')
  assert.equal(kindOf(nat({ translated: false })), 'firewall')
  assert.equal(kindOf(nat({ translated: false, filtering: 'endpoint-independent' })), 'none')
})

test('who becomes direct is the same from both sides', () => {
  const kinds = verdicts('open', true).map(({ remote }) => remote)
  for (const own of kinds) {
    for (const { remote, outcome } of verdicts(own, true)) {
      assert.equal(verdicts(remote, true).find((back) => back.remote === own)?.outcome, outcome, `${own} and ${remote}`)
    }
  }
})

test('without a relay only open peers are reached, and of an unknown NAT no more is said than that', () => {
  const outcomes = (own: RemoteKind | undefined, relayed: boolean) =>
    new Set(verdicts(own, relayed).map(({ outcome }) => outcome))
  assert.deepEqual(outcomes('symmetric', false), new Set(['direct', 'unreachable']))
  assert.deepEqual(outcomes('udp-blocked', true), new Set(['relayed']))
  assert.deepEqual(outcomes('udp-blocked', false), new Set(['unreachable']))
  assert.deepEqual(
    outcomes(remoteKindOf(nat({ filtering: 'unknown' })), true),
    new Set(['direct', 'unknown', 'relayed']),
  )
})
