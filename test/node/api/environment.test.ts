import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOn } from '../../../src/config/environment.node.js'
import { Peer } from '../../../src/entry/node.js'

const VARIABLE = 'ANYPATH_PORT_MAPPING'

test('the environment turns off what the setting says nothing of, and only with a word that it knows', async (context) => {
  const before = process.env[VARIABLE]
  context.after(() => {
    process.env[VARIABLE] = before
  })
  for (const [value, setting, expected] of [
    ['off', undefined, false],
    ['off', true, true],
    ['on', undefined, true],
    ['', undefined, true],
    ['on', false, false],
  ] as const) {
    process.env[VARIABLE] = value
    assert.equal(isOn(setting, VARIABLE), expected, `${value} ${setting}`)
  }
  delete process.env[VARIABLE]
  assert.equal(isOn(undefined, VARIABLE), true)
  process.env[VARIABLE] = 'of'
  await assert.rejects(Peer.create({ udp: { host: '127.0.0.1' } }), { code: 'InvalidConfig', message: /ANYPATH_PORT/ })
})

test('a peer on loopback asks no router and joins no network, and says so', async (context) => {
  const peer = await Peer.create({ alpns: ['a/1'], udp: { host: '127.0.0.1' }, portMapping: true, lan: true })
  context.after(() => peer.close())
  const { portMapping } = await peer.stats()
  assert.equal(portMapping?.failure, 'this machine has no private IPv4 address')
  assert.equal(portMapping?.requests, 0)
  const sockets = process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap')
  assert.equal(sockets.length, 1)
  await using other = await Peer.create({ udp: { host: '127.0.0.1' } })
  assert.equal((await other.stats()).portMapping, undefined)
})
