import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_LIMITS } from '../../../src/config/index.js'
import { AddressCodec } from '../../../src/core/address.js'
import { ByteReader, ByteWriter } from '../../../src/core/bytes.js'
import { type CoreConfig, encodeConfig } from '../../../src/core/config.js'
import { type OutputSink, readOutput, writeDatagram, writeRelayMessage } from '../../../src/core/records.js'
import { readCertificates } from '../../../src/core/session.js'
import { readConnectionStats, readPeerStats } from '../../../src/core/stats.js'
import { readTicket, type TicketRecord, writeTicket } from '../../../src/core/ticket.js'

/** A sink that notes every call by name and arguments. */
function recorder(): { sink: OutputSink; calls: unknown[][] } {
  const calls: unknown[][] = []
  const note =
    (name: string) =>
    (...args: unknown[]) =>
      void calls.push([name, ...args])
  const sink = new Proxy({}, { get: (_target, name) => note(String(name)) }) as OutputSink
  return { sink, calls }
}

const found = { byCollision: true, found: 3, round: 2, candidates: 12, probes: 40, elapsedMs: 2.5 }

function search(writer: ByteWriter): ByteWriter {
  return writer.u8(1).u8(3).u32(2).u16(12).u32(40).f64(2.5)
}

function record(kind: number, id: number, payload: (writer: ByteWriter) => void = () => {}): Uint8Array {
  const body = new ByteWriter()
  payload(body)
  return new ByteWriter().u8(kind).u32(id).u32(body.written.length).bytes(body.written).written
}

function concatenated(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
  for (const part of parts) writer.bytes(part)
  return writer.written
}

const codec = new AddressCodec()
const address = (host: string, port: number) => codec.encode(host, port) as Uint8Array
const RELAY = 0x8000_0000
const URL_TEXT = 'https://relay.example/'
const session = (writer: ByteWriter) =>
  writer
    .u32(0)
    .bytes(address('192.0.2.1', 9))
    .text16('example:1', '')
    .text16('/room', '')
    .text16('https://example.com', '')

const relay = (w: ByteWriter) => w.u8(3).u8(1).u8(1).f64(12.5).f64(2.5).text16(URL_TEXT, '').text16('fine', '')
const text = (value: string) => new TextEncoder().encode(value)

test('a socket address keeps its text through 24 bytes, IPv4 as IPv6-mapped', () => {
  const bytes = address('192.0.2.7', 4433)
  assert.equal(bytes.length, 24)
  assert.deepEqual([...bytes.subarray(0, 18)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 7, 81, 17])
  for (const host of [
    '192.0.2.7',
    '0.0.0.0',
    '255.255.255.255',
    '::',
    '::1',
    '2001:db8::1',
    'fd00::5:0:0:1',
    '1:2:3:4:5:6:7:8',
    '1::8',
  ]) {
    const { host: back, port } = new AddressCodec().decode(address(host, 65535), 0)
    assert.deepEqual({ back, port }, { back: host, port: 65535 })
  }
})

test('IPv6 text is written in the canonical form', () => {
  const canonical = (host: string) => codec.decode(address(host, 1), 0).host
  assert.equal(canonical('2001:0DB8:0000:0000:0001:0000:0000:0001'), '2001:db8::1:0:0:1')
  assert.equal(canonical('2001:db8:0:1:1:1:1:1'), '2001:db8:0:1:1:1:1:1')
  assert.equal(canonical('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(canonical('1:0:0:0:5:0:0:0'), '1::5:0:0:0')
  assert.equal(canonical('1:2:3:4:5:6:0:0'), '1:2:3:4:5:6::')
})

test('a zone comes back as it went in', () => {
  const zoned = new AddressCodec()
  const bytes = zoned.encode('fe80::1%eth0', 7) as Uint8Array
  assert.equal(zoned.decode(bytes, 0).host, 'fe80::1%eth0')
  assert.equal(zoned.decode(zoned.encode('fe80::1%wlan0', 7) as Uint8Array, 0).host, 'fe80::1%wlan0')
  assert.notDeepEqual(zoned.encode('fe80::1%wlan0', 7), bytes)
})

test('what is no IP address is not encoded', () => {
  for (const host of [
    '',
    'localhost',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'g::1',
    '12345::',
    '1.2.3.4%eth0',
    '::1.2.3',
  ]) {
    assert.equal(codec.encode(host, 1), undefined, host)
  }
  for (const port of [-1, 65536, 1.5, Number.NaN])
    assert.equal(codec.encode('127.0.0.1', port), undefined, String(port))
})

test('a decoded address is the same object while it is in the cache, and the cache is bounded', () => {
  const small = new AddressCodec(4)
  const source = address('192.0.2.1', 9)
  const first = small.decode(source, 0)
  assert.equal(small.decode(source, 0), first)
  const segmented = source.slice()
  new DataView(segmented.buffer).setUint16(18, 1452, true)
  assert.equal(small.decode(segmented, 0), first, 'the segment size is no part of the address')
  for (let port = 1; port <= 10; port++) {
    const at = address('192.0.2.2', port)
    assert.deepEqual(small.decode(at, 0).port, port)
    assert.ok(small.encode('192.0.2.3', port))
  }
  assert.notEqual(small.decode(source, 0), first)
  assert.equal(small.decode(source, 0).host, '192.0.2.1')
})

test('an input record is a header, the source, ECN and the packet', () => {
  const target = new Uint8Array(100)
  const end = writeDatagram(target, new DataView(target.buffer), 10, 7, address('::1', 5), 3, text('packet'))
  assert.equal(end, 10 + 9 + 24 + 1 + 6)
  const reader = new ByteReader(target, 10)
  assert.deepEqual([reader.u8(), reader.u32(), reader.u32()], [1, 7, 31])
  assert.deepEqual(codec.decode(reader.view(24), 0).host, '::1')
  assert.equal(reader.u8(), 3)
  assert.equal(reader.text(6), 'packet')
})

test('an input record of a relay is a header and the message', () => {
  const target = new Uint8Array(100)
  const end = writeRelayMessage(target, new DataView(target.buffer), 10, RELAY, text('message'))
  assert.equal(end, 10 + 9 + 7)
  const reader = new ByteReader(target, 10)
  assert.deepEqual([reader.u8(), reader.u32(), reader.u32(), reader.text(7)], [2, RELAY, 7, 'message'])
})

test('every output record reaches the sink with its fields', () => {
  const { sink, calls } = recorder()
  const to = address('192.0.2.1', 9).slice()
  new DataView(to.buffer).setUint16(18, 4, true)
  const place = { host: '192.0.2.1', port: 9 }
  const path = (w: ByteWriter) => w.u32(0).bytes(address('192.0.2.1', 9)).f64(1.5)
  const bytes = concatenated(
    record(1, 0, (w) => w.bytes(to).bytes(text('packetss'))),
    record(2, 5, (w) =>
      path(w.bytes(new Uint8Array(32).fill(9)).u8(1).u8(0).u16(0x11ec).u16(0x1303).u8(1)).bytes8(text('chat/1'), ''),
    ),
    record(3, 5, (w) => w.u16(20).u8(1).f64(77).text16('bye', '')),
    record(4, 5, (w) => w.f64(2 ** 40).u8(1)),
    record(5, 5, (w) => w.f64(4)),
    record(6, 5, (w) => w.f64(8)),
    record(7, 5, (w) => w.f64(12)),
    record(8, 5, (w) => w.f64(12).f64(99)),
    record(9, 5, (w) => w.u8(1)),
    record(10, 5, (w) => w.bytes(text('datagram'))),
    record(11, 5),
    record(12, 5, (w) => path(w.u32(3).u8(2))),
    record(13, 5, (w) => w.u8(2).u8(5).u8(2).f64(12.5)),
    record(14, 6, (w) => w.bytes(address('192.0.2.1', 9)).u8(1).u32(7)),
    record(15, 0, (w) => w.u8(3).text16('noq', '').text16('hello', '')),
    record(16, 5, (w) => w.bytes(text('{}'))),
    record(17, 5, (w) => w.u8(0)),
    record(18, 5),
    record(19, RELAY, (w) => w.bytes(text(URL_TEXT))),
    record(20, RELAY, (w) => w.bytes(text('message'))),
    record(21, RELAY),
    record(22, RELAY, (w) => relay(w)),
    record(23, 5),
    record(24, 7),
    record(25, 7),
    record(26, 8, (w) => session(w)),
    record(27, 5, (w) => search(w)),
    record(27, 5, (w) => search(w).bytes(address('192.0.2.1', 9))),
  )
  readOutput(bytes, codec, sink)
  const plain = calls.map((call) =>
    JSON.parse(JSON.stringify(call, (_key, value) => (ArrayBuffer.isView(value) ? [...(value as Uint8Array)] : value))),
  )
  const entry = { ...place, bytes: [...address('192.0.2.1', 9)] }
  const pathOf = (pathId: number) => ({ pathId, carrier: 0, address: entry, rttMs: 1.5 })
  assert.deepEqual(plain, [
    ['transmit', 0, entry, [...text('packetss')], 4],
    [
      'connected',
      5,
      {
        remoteId: new Array(32).fill(9),
        incoming: true,
        early: false,
        group: 0x11ec,
        cipher: 0x1303,
        resumed: true,
        path: pathOf(0),
        alpn: [...text('chat/1')],
      },
    ],
    ['closed', 5, { code: 20, by: 1, wireCode: 77, reason: 'bye' }],
    ['streamOpened', 5, 2 ** 40, true],
    ['readable', 5, 4],
    ['writable', 5, 8],
    ['streamFinished', 5, 12],
    ['streamStopped', 5, 12, 99],
    ['streamsAvailable', 5, true],
    ['datagram', 5, [...text('datagram')]],
    ['datagramsUnblocked', 5],
    ['path', 5, 2, pathOf(3)],
    ['state', 5, 2, 5, 2, 12.5],
    ['incoming', 6, 7, entry, true],
    ['log', 3, 'noq', 'hello'],
    ['qlog', 5, [...text('{}')]],
    ['earlyData', 5, false],
    ['drained', 5],
    ['relayOpen', RELAY, URL_TEXT],
    ['relaySend', RELAY, [...text('message')]],
    ['relayClose', RELAY],
    [
      'relay',
      RELAY,
      { state: 3, home: true, cause: 1, latencyMs: 12.5, retryInMs: 2.5, url: URL_TEXT, detail: 'fine' },
    ],
    ['discover', 5],
    ['socketOpen', 7],
    ['socketClose', 7],
    [
      'sessionRequested',
      8,
      { carrier: 0, address: entry, authority: 'example:1', path: '/room', origin: 'https://example.com' },
    ],
    ['search', 5, found],
    ['search', 5, { ...found, remote: entry }],
  ])
})

test('every truncation of an output record is an InternalError, and the records before it are handed over', () => {
  const whole = record(5, 1, (w) => w.f64(4))
  const kinds: Uint8Array[] = [
    record(1, 0, (w) => w.bytes(address('192.0.2.1', 9)).bytes(text('x'))),
    record(2, 5, (w) =>
      w
        .bytes(new Uint8Array(32 + 7 + 4))
        .bytes(address('::1', 1))
        .f64(1)
        .bytes8(text('a'), ''),
    ),
    record(3, 5, (w) => w.u16(20).u8(1).f64(77).text16('bye', '')),
    record(13, 5, (w) => w.u8(2).u8(5).u8(2).f64(12.5)),
    record(15, 0, (w) => w.u8(3).text16('noq', '').text16('hello', '')),
    record(22, RELAY, (w) => relay(w)),
    record(26, 8, (w) => session(w)),
    record(27, 5, (w) => search(w)),
  ]
  for (const kind of kinds) {
    for (let length = 1; length < kind.length; length++) {
      const { sink, calls } = recorder()
      const bytes = concatenated(whole, kind.subarray(0, length))
      assert.throws(() => readOutput(bytes, codec, sink), { code: 'InternalError' }, `cut at ${length}`)
      assert.deepEqual(calls, [['readable', 1, 4]])
    }
  }
  // The length field tells the truth and the payload is too short for its kind.
  for (const kind of [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 17, 22, 26, 27]) {
    assert.throws(
      () => readOutput(concatenated(record(kind, 1)), codec, recorder().sink),
      { code: 'InternalError' },
      `kind ${kind}`,
    )
  }
  for (const kind of [0, 28, 255])
    assert.throws(() => readOutput(concatenated(record(kind, 1)), codec, recorder().sink), /unknown kind/)
})

const config: CoreConfig = {
  secretKey: new Uint8Array(32).fill(1),
  seed: new Uint8Array(32).fill(2),
  epochMs: 1.7e12,
  flags: {
    accept: true,
    askBeforeHandshake: false,
    earlyData: true,
    qlog: false,
    discoverMtu: true,
    classicalOnly: false,
    stun: true,
  },
  logLevel: 3,
  congestion: 'new-reno',
  limits: DEFAULT_LIMITS,
  alpns: [text('chat/1'), text('x')],
  addressDiscovery: {
    certificateChain: [new Uint8Array([7, 7]), new Uint8Array()],
    privateKey: new Uint8Array([9]),
    maxClients: 5,
    maxClientsPerAddress: 6,
    maxAgeMs: 7,
  },
}

test('the config bytes have the fields in their order', () => {
  const reader = new ByteReader(encodeConfig(config))
  assert.equal(reader.u8(), 1)
  for (const value of [1, 2]) assert.deepEqual(reader.bytes(32), new Uint8Array(32).fill(value))
  assert.equal(reader.f64(), 1.7e12)
  assert.deepEqual([reader.u32(), reader.u8(), reader.u8()], [1 + 4 + 16 + 64, 3, 1])
  assert.deepEqual([reader.u32(), reader.u32(), reader.u32()], [10_000, 64, 256])
  for (let skip = 0; skip < 12; skip++) reader.u32()
  assert.deepEqual([reader.u16(), reader.u16(), reader.u16()], [1200, 1452, 2])
  assert.equal(reader.text(reader.u8()), 'chat/1')
  assert.equal(reader.text(reader.u8()), 'x')
  assert.equal(reader.u16(), 2)
  assert.deepEqual([...reader.bytes(reader.u32())], [7, 7])
  assert.deepEqual([...reader.bytes(reader.u32())], [])
  assert.deepEqual([...reader.bytes(reader.u16())], [9])
  assert.deepEqual([reader.u32(), reader.u32(), reader.u32()], [5, 6, 7])
  assert.equal(reader.remaining, 0)
  const without = encodeConfig({ ...config, addressDiscovery: undefined })
  assert.equal(new TextDecoder().decode(without.slice(-1)), 'x')
})

test('a config that can not work is refused and named', () => {
  const refuses = (change: Partial<CoreConfig>, code: string, message: RegExp) =>
    assert.throws(() => encodeConfig({ ...config, ...change }), { code, message })
  refuses({ secretKey: new Uint8Array(31) }, 'InvalidKey', /secretKey/)
  refuses({ seed: new Uint8Array(0) }, 'InvalidConfig', /^seed/)
  refuses({ alpns: [new Uint8Array(0)] }, 'InvalidConfig', /^alpns/)
  refuses({ alpns: [new Uint8Array(256)] }, 'InvalidConfig', /^alpns/)
  refuses({ limits: { ...DEFAULT_LIMITS, idleTimeoutMs: -1 } }, 'InvalidConfig', /^idleTimeoutMs/)
  refuses({ limits: { ...DEFAULT_LIMITS, maxMtuBytes: 65536 } }, 'InvalidConfig', /^maxMtuBytes/)
  refuses({ limits: { ...DEFAULT_LIMITS, receiveWindowBytes: 1.5 } }, 'InvalidConfig', /^receiveWindowBytes/)
})

test('a ticket keeps every kind of address through its bytes', () => {
  const ticket: TicketRecord = {
    id: new Uint8Array(32).fill(4),
    anypath: true,
    addresses: [
      { kind: 'relay', url: 'https://relay.example/' },
      { kind: 'ip', host: '192.0.2.1', port: 9 },
      { kind: 'custom', transportId: 2n ** 63n + 1n, data: new Uint8Array([1, 2]) },
      { kind: 'unknown', data: new Uint8Array([9, 9, 9]) },
    ],
  }
  const writer = new ByteWriter()
  writeTicket(writer, ticket, codec)
  assert.deepEqual(readTicket(new ByteReader(writer.written), codec), ticket)
  for (let length = 0; length < writer.written.length; length++) {
    assert.throws(() => readTicket(new ByteReader(writer.written.slice(0, length)), codec), { code: 'InternalError' })
  }
  const bad = { ...ticket, addresses: [{ kind: 'ip', host: 'example.org', port: 9 } as const] }
  assert.throws(() => writeTicket(new ByteWriter(), bad, codec), { code: 'InvalidArgument' })
  assert.throws(() => writeTicket(new ByteWriter(), { ...ticket, id: new Uint8Array(3) }, codec), {
    code: 'InvalidKey',
  })
})

test('statistics are read in their order', () => {
  const writer = new ByteWriter()
  for (let value = 1; value <= 18; value++) writer.f64(value)
  writer.u16(1).u32(2).u32(0).bytes(address('::1', 8))
  for (const value of [1, 2, 3, 4, 5]) writer.f64(value)
  writer.u8(1)
  const stats = readConnectionStats(new ByteReader(writer.written), codec)
  assert.equal(stats.congestionWindowBytes, 3)
  assert.equal(stats.group, 14)
  assert.equal(stats.datagramsDropped, 18)
  const { address: where, ...path } = stats.paths[0] as (typeof stats.paths)[number]
  assert.equal(where.host, '::1')
  assert.deepEqual(path, {
    pathId: 2,
    carrier: 0,
    rttMs: 1,
    mtuBytes: 2,
    bytesSent: 3,
    bytesReceived: 4,
    packetsLost: 5,
    backup: true,
  })
  const figures = new ByteWriter()
  for (let value = 1; value <= 36; value++) figures.f64(value)
  const peer = readPeerStats(new ByteReader(figures.written), codec)
  assert.deepEqual([peer.connections, peer.memoryBytes, peer.relayDropped, peer.discoveries], [1, 18, 24, 28])
  assert.deepEqual([peer.traversalRounds, peer.directPathsLost], [29, 36])
  assert.deepEqual([peer.stunRequestsSent, peer.discoveryObservations], [0, 0], 'the core for browsers leaves them out')
  assert.deepEqual([peer.controlsDialled, peer.socketsForeign], [0, 0])
  assert.deepEqual([peer.searches.none, peer.observations], [{ told: 0, peerReflexive: 0, birthday: 0, failed: 0 }, []])
  for (let value = 37; value <= 87; value++) figures.f64(value)
  figures.u16(2)
  for (const [by, rttMs] of [
    [0, 25],
    [1, Number.NaN],
  ] as const)
    figures
      .u8(by)
      .bytes(codec.encode(where.host, where.port) as Uint8Array)
      .bytes(codec.encode(where.host, 7) as Uint8Array)
      .f64(rttMs)
  for (const length of [8, 37 * 8, figures.written.length - 8])
    assert.throws(() => readPeerStats(new ByteReader(figures.written.subarray(0, length)), codec), {
      code: 'InternalError',
    })
  const ofNode = readPeerStats(new ByteReader(figures.written), codec)
  assert.deepEqual(ofNode.searches.unknown, { told: 64, peerReflexive: 65, birthday: 66, failed: 67 })
  assert.deepEqual(ofNode.searches.none, { told: 84, peerReflexive: 85, birthday: 86, failed: 87 })
  const [server, remote] = ofNode.observations
  // Nothing of the codec's own is handed out.
  assert.deepEqual(server, {
    by: 'server',
    observer: { host: where.host, port: where.port },
    mapped: { host: where.host, port: 7 },
    rttMs: 25,
  })
  assert.deepEqual([remote?.by, remote?.rttMs], ['remote', undefined])
  assert.deepEqual([ofNode.stunRequestsSent, ofNode.discoveryObservations], [37, 42])
  assert.deepEqual([ofNode.controlsDialled, ofNode.birthdayHits, ofNode.socketsForeign], [45, 49, 58])
  assert.deepEqual([ofNode.webTransportSessions, ofNode.webTransportDatagramsDropped], [59, 63])
})

test('the certificates that browsers are shown are read one after another', () => {
  const writer = new ByteWriter()
  for (const byte of [1, 2])
    writer
      .bytes(new Uint8Array(32).fill(byte))
      .f64(byte * 10)
      .f64(byte * 10 + 10)
  assert.deepEqual(readCertificates(new ByteReader(writer.written)), [
    { sha256: new Uint8Array(32).fill(1), fromMs: 10, untilMs: 20 },
    { sha256: new Uint8Array(32).fill(2), fromMs: 20, untilMs: 30 },
  ])
  assert.throws(() => readCertificates(new ByteReader(writer.written.subarray(1))), { code: 'InternalError' })
})

test('a number that does not fit any more makes the buffer grow, whatever its size', () => {
  for (const width of [1, 2, 4, 8] as const) {
    for (let before = 249; before <= 256; before++) {
      const writer = new ByteWriter().bytes(new Uint8Array(before))
      if (width === 8) writer.u64(7n).f64(7)
      else if (width === 4) writer.u32(7)
      else if (width === 2) writer.u16(7)
      else writer.u8(7)
      assert.equal(writer.written.length, before + (width === 8 ? 16 : width))
      assert.equal(writer.written[before], 7)
    }
  }
})
