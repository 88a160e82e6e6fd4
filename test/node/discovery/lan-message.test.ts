import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from 'dns-packet'
import { base32FromHex, hexFromBase32, zBase32FromHex } from '../../../src/discovery/base-32.js'
import {
  encodeAnnouncement,
  encodeGoodbye,
  encodeQuery,
  isAboutService,
  type LanAnswers,
  readMessage,
} from '../../../src/discovery/lan/message.node.js'

const ID = 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c'
const NAME = '5jfgyy7ctrjavpxvkb5rglwf7gkuo5vox27hxescd3vgsfcg2iwa'
/** What stock iroh 1.4.1 with iroh-mdns-address-lookup 0.6.1 sent for this key. */
const STOCK_QUERY = '000000000001000000000000075f69726f687631045f756470056c6f63616c00000c0001'
const STOCK_ANSWER =
  '000084000000000200000001075f69726f687631045f756470056c6f63616c00000c000100000078003734356a66677979376374726a61767078766b' +
  '623572676c776637676b756f35766f7832376878657363643376677366636732697761c00cc02a002100010000007800480000000097a93a356a66677979' +
  '376374726a61767078766b623572676c776637676b756f35766f78323768786573636433766773666367326977612d3338383235056c6f63616c00c073' +
  '000100010000007800040a4e0001'
const SOCKETS = [
  { host: '192.0.2.1', port: 4433 },
  { host: '2001:db8::1', port: 4433 },
  { host: '192.0.2.2', port: 4434 },
]

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'))
const peers = (packet: Uint8Array) => (readMessage(packet) as LanAnswers).peers

test('ids are written as iroh writes them, and each has one text', () => {
  assert.equal(base32FromHex(ID), NAME)
  assert.equal(hexFromBase32(NAME.toUpperCase()), ID)
  for (const wrong of [`${NAME.slice(0, -1)}b`, `${NAME.slice(0, -1)}1`, `${NAME}a`])
    assert.notEqual(hexFromBase32(wrong), ID)
  assert.equal(hexFromBase32(`${NAME.slice(0, -1)}b`), undefined)
  assert.notEqual(zBase32FromHex(ID), NAME)
})

test('what stock iroh sends is read', () => {
  assert.ok(isAboutService(bytes(STOCK_QUERY)) && isAboutService(bytes(STOCK_ANSWER)))
  assert.deepEqual(readMessage(bytes(STOCK_QUERY)), { kind: 'query', all: true, ids: new Set(), known: new Set() })
  const addresses = [{ host: '10.78.0.1', port: 38825 }]
  assert.deepEqual(readMessage(bytes(STOCK_ANSWER)), {
    kind: 'answers',
    peers: [{ id: ID, addresses, ttlSeconds: 120 }],
  })
})

test('our question to nobody in particular is byte for byte that of stock iroh', () => {
  assert.equal(Buffer.from(encodeQuery([])).toString('hex'), STOCK_QUERY)
  assert.deepEqual(readMessage(encodeQuery([ID])), { kind: 'query', all: true, ids: new Set([ID]), known: new Set() })
})

test('records that pair up to hundreds of addresses give few', () => {
  const common = { class: 'IN', ttl: 120 } as const
  const packet = encode({
    type: 'response',
    answers: Array.from({ length: 8 }, (_, at) => ({
      ...common,
      name: `${NAME}._irohv1._udp.local`,
      type: 'SRV' as const,
      data: { port: at + 1, target: 'a' },
    })),
    additionals: Array.from({ length: 32 }, (_, at) => ({
      ...common,
      name: 'a',
      type: 'A' as const,
      data: `192.0.2.${at}`,
    })),
  })
  assert.deepEqual(
    peers(packet).map(({ id, addresses }) => [id, addresses.length]),
    [[ID, 16]],
  )
})

test('an announcement says every socket, without the bit that stock iroh does not know', () => {
  const packet = encodeAnnouncement(ID, SOCKETS)
  const [peer, ...others] = peers(packet)
  assert.deepEqual(others, [])
  assert.equal(peer?.ttlSeconds, 120)
  const text = ({ host, port }: { host: string; port: number }) => `${host} ${port}`
  assert.deepEqual(peer?.addresses.map(text).sort(), SOCKETS.map(text).sort())
  assert.equal(Buffer.from(packet).includes(Buffer.from('8001', 'hex')), false)
})

test('an announcement fits into what stock iroh reads, whatever a machine has of addresses', () => {
  const many = Array.from({ length: 60 }, (_, at) => ({ host: `2001:db8::${at + 1}`, port: 4433 }))
  const packet = encodeAnnouncement(ID, many)
  assert.ok(packet.length <= 1472 && packet.length > 1300, `${packet.length} bytes`)
  const count = peers(packet)[0]?.addresses.length ?? 0
  assert.ok(count >= 10 && count < 60, `${count} addresses`)
})

test('a goodbye has no address, by which stock iroh would know the peer again', () => {
  const packet = encodeGoodbye(ID, SOCKETS)
  assert.deepEqual(peers(packet), [{ id: ID, addresses: [], ttlSeconds: 0 }])
  assert.equal(Buffer.from(packet).includes(Buffer.from([192, 0, 2, 1])), false)
})

test('an announcement of an older stock peer, which says that it holds for no time, is one', () => {
  const older = Buffer.from(STOCK_ANSWER.replaceAll('00000078', '00000000'), 'hex')
  assert.deepEqual(peers(older), [{ id: ID, addresses: [{ host: '10.78.0.1', port: 38825 }], ttlSeconds: 0 }])
})

test('questions of other programs are understood: about one peer, in any case, and with what they know', () => {
  const instance = `${NAME}._irohv1._udp.local`
  const ask = (name: string, type: 'SRV' | 'PTR' | 'A' | 'TXT') =>
    readMessage(encode({ type: 'query', questions: [{ name, type }] }))
  for (const [name, type] of [
    [instance.toUpperCase(), 'SRV'],
    [instance, 'TXT'],
    [`${NAME}-4433.local`, 'A'],
  ] as const)
    assert.deepEqual(ask(name, type), { kind: 'query', all: false, ids: new Set([ID]), known: new Set() })
  assert.deepEqual(ask('_irohv1._udp.local', 'A'), { kind: 'query', all: false, ids: new Set(), known: new Set() })
  const knows = (ttl: number) =>
    readMessage(
      encode({
        type: 'query',
        questions: [{ name: '_irohv1._udp.local', type: 'PTR' }],
        answers: [{ name: '_irohv1._udp.local', type: 'PTR', ttl, data: instance }],
      }),
    )
  assert.deepEqual(knows(100), {
    kind: 'query',
    all: true,
    ids: new Set(),
    known: new Set([`ptr _irohv1._udp.local ${instance}`]),
  })
  assert.deepEqual(knows(10), { kind: 'query', all: true, ids: new Set(), known: new Set() })
})

test('what is about another service, or about something that is no id, says nothing', () => {
  const srv = (name: string) =>
    encode({
      type: 'response',
      answers: [{ name, type: 'SRV', data: { port: 1, target: 'host.local' } }],
      additionals: [{ name: 'host.local', type: 'A', data: '192.0.2.1' }],
    })
  assert.equal(isAboutService(srv('printer._ipp._tcp.local')), false)
  for (const name of [
    'printer._irohv1._udp.local',
    `${NAME.slice(0, -1)}b._irohv1._udp.local`,
    `${NAME}.x._irohv1._udp.local`,
  ])
    assert.deepEqual(peers(srv(name)), [])
})

test('a packet that claims more records than it can have, is too large or is no plain query or answer is refused', () => {
  const claims = Buffer.from(STOCK_ANSWER, 'hex')
  claims.writeUInt16BE(60, 10)
  assert.throws(() => readMessage(claims), /fewer records/)
  claims.writeUInt16BE(0xffff, 10)
  assert.throws(() => readMessage(claims), /too many records/)
  assert.throws(() => readMessage(Buffer.concat([bytes(STOCK_ANSWER), Buffer.alloc(1400)])), /too large/)
  const failed = Buffer.from(STOCK_ANSWER, 'hex')
  failed.writeUInt8(3, 3)
  assert.throws(() => readMessage(failed), /not a standard/)
  assert.throws(() => readMessage(bytes('00')), /no header/)
})

test('no broken packet does anything but throw an error, and quickly', () => {
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed % below
  }
  const originals = [
    bytes(STOCK_ANSWER),
    encodeAnnouncement(ID, SOCKETS),
    encodeQuery([ID]),
    encodeGoodbye(ID, SOCKETS),
  ]
  const outcomes = { read: 0, refused: 0 }
  const begin = performance.now()
  for (let turn = 0; turn < 20_000; turn++) {
    const broken = Buffer.from(originals[turn % originals.length] as Uint8Array)
    for (let flips = 1 + random(4); flips > 0; flips--) broken[random(broken.length)] = random(256)
    try {
      readMessage(turn % 3 === 0 ? broken.subarray(0, random(broken.length)) : broken)
      outcomes.read += 1
    } catch (thrown) {
      assert.ok(thrown instanceof Error)
      outcomes.refused += 1
    }
  }
  assert.ok(outcomes.read > 1000 && outcomes.refused > 1000, JSON.stringify(outcomes))
  assert.ok(performance.now() - begin < 60_000)
})
