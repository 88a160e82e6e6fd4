import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Candidate, mappedIn, natOf, parseCandidate, parseIceUrl } from '../../../src/diagnose/candidates.js'
import { webRtcVerdicts } from '../../../src/diagnose/verdict.js'

/** Lines as the browsers gave them, with addresses of documentation in place of others. */
const LINES = {
  chromiumHost:
    'candidate:3569277296 1 udp 2113937151 08555296-542e-44f3-a9bc-2a7a373492c6.local 38962 typ host generation 0 ufrag MAw7 network-cost 999',
  chromiumSrflx:
    'candidate:209051694 1 udp 1677729535 198.51.100.7 38962 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag MAw7 network-cost 999',
  firefoxHost: 'candidate:0 1 UDP 2122252543 68f4e74e-5d2c-493b-ac08-d7116efb352b.local 54043 typ host',
  firefoxTcp: 'candidate:2 1 TCP 2105524479 68f4e74e-5d2c-493b-ac08-d7116efb352b.local 9 typ host tcptype active',
  firefoxSrflx: 'candidate:1 1 UDP 1686052863 198.51.100.7 54043 typ srflx raddr 0.0.0.0 rport 0',
  shownHost:
    'candidate:842163049 1 udp 2122260223 192.168.1.20 56143 typ host generation 0 ufrag EEtu network-id 1 network-cost 10',
  shownSrflx:
    'candidate:1876313031 1 udp 1686052607 198.51.100.7 49208 typ srflx raddr 192.168.1.20 rport 56143 generation 0 ufrag EEtu network-id 1',
  safariSrflx:
    'candidate:842163049 1 udp 1677729535 2001:db8::7 61000 typ srflx raddr :: rport 9 generation 0 ufrag +Ab/ network-cost 999',
  relay: 'a=candidate:3098175849 1 udp 41885439 203.0.113.9 50000 typ relay raddr 198.51.100.7 rport 49208',
}

const read = (line: string): Candidate => parseCandidate(line) ?? assert.fail(line)

test('candidates are read as browsers write them, and hidden addresses are left out', () => {
  const read = Object.fromEntries(Object.entries(LINES).map(([name, line]) => [name, parseCandidate(line)]))
  assert.deepEqual(read, {
    chromiumHost: { type: 'host', protocol: 'udp', port: 38962, basePort: 38962 },
    chromiumSrflx: { type: 'srflx', protocol: 'udp', host: '198.51.100.7', port: 38962 },
    firefoxHost: { type: 'host', protocol: 'udp', port: 54043, basePort: 54043 },
    firefoxTcp: { type: 'host', protocol: 'tcp', port: 9, basePort: 9 },
    firefoxSrflx: { type: 'srflx', protocol: 'udp', host: '198.51.100.7', port: 54043 },
    shownHost: { type: 'host', protocol: 'udp', host: '192.168.1.20', port: 56143, basePort: 56143 },
    shownSrflx: { type: 'srflx', protocol: 'udp', host: '198.51.100.7', port: 49208, basePort: 56143 },
    safariSrflx: { type: 'srflx', protocol: 'udp', host: '2001:db8::7', port: 61000 },
    relay: { type: 'relay', protocol: 'udp', host: '203.0.113.9', port: 50000, basePort: 49208 },
  })
})

test('what is no candidate is none', () => {
  for (const line of [
    '',
    'candidate:',
    'candidate:0 1 UDP 1 198.51.100.7 70000 typ host',
    'candidate:0 1 UDP 1 198.51.100.7 0 typ host',
    'candidate:0 1 SCTP 1 198.51.100.7 7 typ host',
    'candidate:0 1 UDP 1 198.51.100.7 7 typ other',
    'candidate:0 1 UDP 1 198.51.100.7 7',
    'v=0',
  ])
    assert.equal(parseCandidate(line), undefined, line)
})

test('URLs of servers are read with their ports, also those that are left out', () => {
  assert.deepEqual(parseIceUrl('stun:stun.example.org'), { host: 'stun.example.org', port: 3478, isTurn: false })
  assert.deepEqual(parseIceUrl('stun:[2001:db8::1]:19302'), { host: '2001:db8::1', port: 19302, isTurn: false })
  assert.deepEqual(parseIceUrl('TURNS:turn.example.org?transport=tcp'), {
    host: 'turn.example.org',
    port: 5349,
    isTurn: true,
  })
  for (const url of ['', 'stun:', 'https://example.org/', 'stun:a b', 'turn:a:999999'])
    assert.equal(parseIceUrl(url), undefined, url)
})

const SERVERS = [
  { host: '203.0.113.1', port: 3478 },
  { host: '203.0.113.2', port: 3478 },
] as const

const HOST = read(LINES.firefoxHost)
const srflx = (host: string, port: number, basePort?: number): Candidate => ({
  type: 'srflx',
  protocol: 'udp',
  host,
  port,
  ...(basePort !== undefined && { basePort }),
})

/** What two servers tell of the same sockets, and each of one of its own. */
function nat(
  shared: readonly Candidate[],
  { servers = SERVERS as readonly (typeof SERVERS)[number][], isComplete = true } = {},
) {
  const alone = servers.map((server) => ({ server, candidates: [HOST, ...shared.slice(0, 1)] }))
  return natOf(4, alone, { servers, candidates: [HOST, ...shared], isComplete })
}

test('one address for two servers is an endpoint-independent mapping, two are a symmetric NAT', () => {
  const kept = srflx('198.51.100.7', HOST.port)
  const moved = srflx('198.51.100.7', 1025)
  assert.deepEqual(nat([kept, kept]), {
    kind: 'cone',
    mapping: 'endpoint-independent',
    filtering: 'unknown',
    ports: 'preserved',
    addresses: ['198.51.100.7'],
  })
  const { translated, kind, mapping, ports } = nat([moved]) ?? assert.fail()
  assert.deepEqual([translated, kind, mapping, ports], [true, 'cone', 'endpoint-independent', 'unknown'])
  const symmetric = nat([moved, srflx('198.51.100.7', 1026)]) ?? assert.fail()
  assert.deepEqual([symmetric.translated, symmetric.kind, symmetric.mapping], [true, 'symmetric', 'dependent'])
  const pool = nat([kept, srflx('198.51.100.8', HOST.port)]) ?? assert.fail()
  assert.deepEqual([pool.kind, pool.addresses], ['symmetric', ['198.51.100.7', '198.51.100.8']])
})

test('two ports of one server tell only of a NAT that looks at ports', () => {
  const servers = [SERVERS[0], { ...SERVERS[0], port: 3479 }] as never
  assert.equal(nat([srflx('198.51.100.7', 1025)], { servers })?.mapping, 'unknown')
  const differing = [srflx('198.51.100.7', 1025), srflx('198.51.100.7', 1026)]
  assert.equal(nat(differing, { servers })?.mapping, 'address-and-port-dependent')
})

test('what one server has told, or not all have, says nothing of the mapping', () => {
  const one = srflx('198.51.100.7', 1025)
  assert.equal(nat([one], { servers: [SERVERS[0]] })?.mapping, 'unknown')
  assert.equal(nat([one], { isComplete: false })?.mapping, 'unknown')
  assert.equal(nat([]), undefined)
  assert.equal(natOf(6, [], { servers: SERVERS, candidates: [one], isComplete: true }), undefined)
})

test('where the browser shows addresses they tell whether anything is translated', () => {
  const shown = [read(LINES.shownHost)]
  const natted = natOf(4, [], { servers: SERVERS, candidates: [...shown, read(LINES.shownSrflx)], isComplete: true })
  assert.deepEqual([natted?.translated, natted?.kind], [true, 'cone'])
  const own = { servers: SERVERS, candidates: [...shown, srflx('192.168.1.20', 56143, 56143)], isComplete: true }
  assert.deepEqual([natOf(4, [], own)?.translated, natOf(4, [], own)?.kind], [false, 'none'])
})

test('sockets of several interfaces are not taken for one symmetric NAT', () => {
  const candidates = [srflx('198.51.100.7', 1025, 50_000), srflx('192.0.2.44', 1026, 50_001)]
  assert.equal(natOf(4, [], { servers: SERVERS, candidates, isComplete: true })?.mapping, 'endpoint-independent')
})

test('IPv4 is told before IPv6, and each by itself', () => {
  const candidates = [read(LINES.safariSrflx), read(LINES.chromiumSrflx)]
  assert.deepEqual(mappedIn(candidates), { host: '198.51.100.7', port: 38962 })
  assert.deepEqual(natOf(6, [{ server: SERVERS[0], candidates }], undefined)?.addresses, ['2001:db8::7'])
})

test('over WebRTC a symmetric NAT meets whom a filter by port does not guard, and nothing is foretold', () => {
  const outcomes = (...args: Parameters<typeof webRtcVerdicts>) =>
    Object.fromEntries(webRtcVerdicts(...args).map(({ remote, outcome }) => [remote, outcome]))
  assert.deepEqual(outcomes('dependent', true), {
    open: 'direct',
    'address-restricted': 'direct',
    'port-restricted': 'relayed',
    'symmetric-sequential': 'relayed',
    symmetric: 'relayed',
    'udp-blocked': 'relayed',
  })
  const independent = outcomes('endpoint-independent', true)
  assert.deepEqual([independent['port-restricted'], independent.symmetric], ['direct', 'unknown'])
  assert.deepEqual(new Set(Object.values(outcomes('udp-blocked', true))), new Set(['relayed']))
  assert.deepEqual(new Set(Object.values(outcomes('endpoint-independent', false))), new Set(['unreachable']))
})
