import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { Neighbourhood } from '../../../src/discovery/lan/neighbourhood.node.js'

function info(cidr: string | null, address = cidr?.split('/')[0] ?? '', internal = false): NetworkInterfaceInfo {
  const mac = '00:00:00:00:00:00'
  if (address.includes(':'))
    return { family: 'IPv6', address, cidr, netmask: 'ffff:ffff:ffff:ffff::', mac, internal, scopeid: 2 }
  const prefix = Number(cidr?.split('/')[1] ?? 24)
  const netmask = [0, 8, 16, 24].map((at) => 256 - 2 ** (8 - Math.min(8, Math.max(0, prefix - at)))).join('.')
  return { family: 'IPv4', address, cidr, netmask, mac, internal }
}

const HOME = new Neighbourhood({
  lo: [info('127.0.0.1/8', undefined, true), info('::1/128', undefined, true)],
  eth0: [info('192.0.2.7/25'), info('2001:db8:1::7/64'), info('2001:db8:1::8/64'), info('fe80::1/64')],
  wlan0: [info('198.51.100.3/22')],
  veth1: [info('fe80::2/64')],
  point: [info('203.0.113.4/31')],
})

test('every interface on which somebody could be dialled is one, once', () => {
  assert.deepEqual(HOME.interfaces(4), ['192.0.2.7', '198.51.100.3', '203.0.113.4'])
  assert.deepEqual(HOME.interfaces(6), [process.platform === 'win32' ? '::%2' : '::%eth0'])
  const many = Object.fromEntries(Array.from({ length: 99 }, (_, at) => [`br${at}`, [info(`10.${at}.0.1/16`)]]))
  assert.equal(new Neighbourhood(many).interfaces(4).length, 16)
})

test('those who share a network with an interface are neighbours', () => {
  const neighbours = ['192.0.2.1', '198.51.103.1', '203.0.113.5', '2001:db8:1::99', 'fe80::77%eth0', '192.0.2.7']
  for (const host of neighbours) assert.ok(HOME.isNeighbour(host), host)
  for (const host of ['192.0.2.129', '8.8.8.8', '127.0.0.1', '2001:db8:2::1', '::1', 'printer.local', ''])
    assert.ok(!HOME.isNeighbour(host), host)
})

test('what is no host, or needs a zone, is not dialled', () => {
  const hosts = ['192.0.2.1', '192.0.2.7', '198.51.103.254', '203.0.113.4', '203.0.113.5', '2001:db8:1::99']
  for (const host of hosts) assert.ok(HOME.isDialable(host), host)
  const others = [
    '192.0.2.127',
    '198.51.103.255',
    '255.255.255.255',
    '0.0.0.0',
    '127.0.0.1',
    '224.0.0.251',
    '240.0.0.1',
    '8.8.8.8',
  ]
  const others6 = [
    '::',
    '::1',
    'fe80::77',
    'fe80::77%eth0',
    'ff02::fb',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '2001:db8:2::1',
    'x',
  ]
  for (const host of [...others, ...others6]) assert.ok(!HOME.isDialable(host), host)
})

test('an interface that is the whole world makes no group, broadcast or loopback address a host', () => {
  const tunnel = new Neighbourhood({ tun0: [info('10.0.0.1/0'), info('2001:db8::1/0')] })
  assert.ok(tunnel.isDialable('8.8.8.8') && tunnel.isDialable('2001:db8:2::1'))
  for (const host of ['255.255.255.255', '127.0.0.1', '224.0.0.1', '0.0.0.0', '::', '::1', 'fe80::1', 'ff02::fb'])
    assert.ok(!tunnel.isDialable(host), host)
})

test('a change of an address shows, and an interface without a prefix is its own address alone', () => {
  const [one, same, other] = ['192.0.2.7/25', '192.0.2.7/25', '192.0.2.8/25'].map(
    (cidr) => new Neighbourhood({ eth0: [info(cidr)] }),
  )
  assert.equal(one?.key, same?.key)
  assert.notEqual(one?.key, other?.key)
  const odd = new Neighbourhood({ eth0: [info(null, '192.0.2.7')] })
  assert.ok(odd.isNeighbour('192.0.2.7') && !odd.isNeighbour('192.0.2.8'))
  assert.equal(new Neighbourhood({}).isNeighbour('192.0.2.7'), false)
  assert.ok(new Neighbourhood().key.length >= 0)
})
