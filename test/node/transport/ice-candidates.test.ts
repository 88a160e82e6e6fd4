import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { admittedCandidates } from '../../../src/transport/ice-candidates.node.js'
import type { ChannelSignal } from '../../../src/transport/transport.js'

const candidate = (address: string, protocol = 'UDP'): ChannelSignal => ({
  type: 'candidate',
  candidate: `candidate:1 1 ${protocol} 2114977791 ${address} 60374 typ host`,
  sdpMid: '0',
  sdpMLineIndex: 0,
})

/** What is left of one. */
const plain = (address: string) => ({ ...candidate(address, 'udp') })

test('candidates pass for UDP at addresses where a remote can be', () => {
  const admit = admittedCandidates(undefined)()
  for (const address of ['192.0.2.7', '2001:db8::7']) assert.deepEqual(admit(candidate(address)), plain(address))
  assert.ok(admit(candidate('192.0.2.7', 'udp')))
  assert.equal(admit(candidate('192.0.2.7', 'TCP')), undefined)
  for (const address of [
    'host.example',
    '8b6f.local',
    '127.0.0.1',
    '::1',
    '0.0.0.0',
    '::',
    '224.0.0.251',
    '255.255.255.255',
    'ff02::1',
    '::ffff:127.0.0.1',
    '',
    '1.2.3',
  ])
    assert.equal(admit(candidate(address)), undefined, address)
})

test('private addresses pass where this machine has one of the same kind', () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? [])
  const admit = admittedCandidates(undefined)()
  for (const [prefix, address] of [
    ['10.', '10.9.8.7'],
    ['192.168.', '192.168.200.200'],
    ['169.254.', '169.254.169.254'],
    ['fe80:', 'fe80::1'],
  ] as const)
    assert.equal(
      admit(candidate(address)) !== undefined,
      own.some((one) => one.startsWith(prefix)),
      address,
    )
})

test('a peer that is bound to a loopback address has remotes there', () => {
  const admit = admittedCandidates('127.0.0.1')()
  assert.ok(admit(candidate('127.0.0.1')))
  assert.equal(admit(candidate('localhost')), undefined)
})

test('nothing but a candidate passes, however an implementation would read it', () => {
  const admit = admittedCandidates(undefined)()
  const told = (text: string) => admit({ type: 'candidate', candidate: text, sdpMid: '0', sdpMLineIndex: 0 })
  for (const text of [
    'candidate:1 1\tUDP\t1\tintranet.example\t53\ttyp\thost udp 1 192.0.2.7 9',
    'candidate:1 1 udp  7::1 9 typ host',
    'candidate:1 1 udp  7::ffff:127.0.0.1 9 typ host',
    'candidate:1 1 udp 1 192.0.2.7\v 9 typ host',
    'candidate:1 1 udp 1 192.0.2.7 9 typ',
    'candidate:1 1 udp 1 192.0.2.7 9 typ host\nx',
    ' candidate:1 1 udp 1 192.0.2.7 9 typ host',
    'x',
  ])
    assert.equal(told(text), undefined, JSON.stringify(text))
  const signal = told(
    'candidate:1 1 UDP 7 192.0.2.7 9 typ srflx raddr 10.0.0.1 rport 5 generation 0 x intranet.example',
  )
  assert.ok(signal && 'candidate' in signal)
  assert.equal(signal.candidate, 'candidate:1 1 udp 7 192.0.2.7 9 typ srflx raddr 0.0.0.0 rport 0')
})

test('an attempt has 32 candidates, and another one as many again', () => {
  const admitted = admittedCandidates(undefined)
  for (let attempt = 0; attempt < 2; attempt++) {
    const admit = admitted()
    const passed = Array.from({ length: 100 }, (_, i) => admit(candidate(`192.0.2.${i + 1}`))).filter(Boolean)
    assert.equal(passed.length, 32)
  }
})

test('descriptions pass without their candidates, and what else could hide some does not pass', () => {
  const admit = admittedCandidates(undefined)()
  const sdp =
    'v=0\r\na=candidate:1 1 UDP 1 host.example 1 typ host\r\na=mid:0\r\nA=CANDIDATE:1 1 UDP 1 x 1 typ host\na=remote-candidates:1 x 1\r\n'
  assert.deepEqual(admit({ type: 'offer', sdp }), { type: 'offer', sdp: 'v=0\r\na=mid:0\r\n' })
  const hidden = candidate('192.0.2.7 1 typ host\r\na=candidate:1 1 UDP 1 host.example')
  assert.equal(admit(hidden), undefined)
  const end: ChannelSignal = { type: 'candidate', candidate: '', sdpMid: '0', sdpMLineIndex: 0 }
  assert.deepEqual(admit(end), end)
})
