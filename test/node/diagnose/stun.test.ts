import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bindingRequest, CHANGE_ADDRESS, CHANGE_PORT, readAnswer, transactionOf } from '../../../src/diagnose/stun.js'

const TRANSACTION = Buffer.from('b7e7a701bc34d686fa87dfae', 'hex')

/** RFC 5769 section 2.2 and 2.3: the answers of a server over IPv4 and IPv6, with attributes that a client passes over. */
const IPV4_ANSWER =
  '0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96'
const IPV6_ANSWER =
  '010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c'

const withAttribute = (kind: number, value: string): Buffer => {
  const bytes = Buffer.alloc(24)
  bytes.writeUInt16BE(0x0101, 0)
  bytes.writeUInt16BE(4 + value.length / 2, 2)
  bytes.writeUInt32BE(0x2112a442, 4)
  TRANSACTION.copy(bytes, 8)
  bytes.writeUInt16BE(kind, 20)
  bytes.writeUInt16BE(value.length / 2, 22)
  return Buffer.concat([bytes, Buffer.from(value, 'hex')])
}

test('the answers of RFC 5769 are read', () => {
  for (const [hex, host] of [
    [IPV4_ANSWER, '192.0.2.1'],
    [IPV6_ANSWER, '2001:db8:1234:5678:11:2233:4455:6677'],
  ] as const) {
    assert.deepEqual(readAnswer(Buffer.from(hex, 'hex')), {
      transaction: TRANSACTION.toString('hex'),
      mapped: { host, port: 32853 },
      other: undefined,
    })
  }
})

test('reading leaves the bytes as they are, in a buffer of the pool too', () => {
  const bytes = Buffer.from(IPV4_ANSWER, 'hex')
  readAnswer(bytes)
  assert.equal(bytes.toString('hex'), IPV4_ANSWER)
})

test('a request asks for the answer to come from elsewhere', () => {
  const request = Buffer.from(bindingRequest(TRANSACTION, { change: CHANGE_ADDRESS | CHANGE_PORT }))
  assert.equal(request.toString('hex'), `000100082112a442${TRANSACTION.toString('hex')}0003000400000006`)
  assert.equal(transactionOf(request), TRANSACTION.toString('hex'))
  assert.equal(bindingRequest(TRANSACTION).length, 20)
})

test('a server tells its other address, and an error none of a client', () => {
  const other = withAttribute(0x802c, '00011f90cb007102')
  assert.deepEqual(readAnswer(other)?.other, { host: '203.0.113.2', port: 8080 })
  const error = withAttribute(0x0001, '00011f90cb007102')
  assert.deepEqual(readAnswer(error)?.mapped, { host: '203.0.113.2', port: 8080 })
  error.writeUInt16BE(0x0111, 0)
  assert.deepEqual(readAnswer(error), { transaction: TRANSACTION.toString('hex'), mapped: undefined, other: undefined })
})

test('whatever is cut off, or says of itself what it is not, is no answer', () => {
  const whole = Buffer.from(IPV4_ANSWER, 'hex')
  for (let length = 0; length < whole.length; length++) assert.equal(readAnswer(whole.subarray(0, length)), undefined)
  for (const value of ['', '0001', '0001ffff', '00021f90cb007102', '00031f90cb007102', '00011f90cb00710200000000'])
    for (const kind of [0x0001, 0x0020, 0x802c]) assert.equal(readAnswer(withAttribute(kind, value)), undefined, value)
  const request = Buffer.from(whole)
  request.writeUInt16BE(0x0001, 0)
  assert.equal(readAnswer(request), undefined)
})

test('any bytes behind a header are read without an exception', () => {
  for (let round = 0; round < 2000; round++) {
    const bytes = crypto.getRandomValues(Buffer.alloc(20 + 4 * (round % 16)))
    bytes.writeUInt16BE(0x0101, 0)
    bytes.writeUInt16BE(bytes.length - 20, 2)
    bytes.writeUInt32BE(0x2112a442, 4)
    // Attributes that are read are rare among random ones.
    if (bytes.length > 24) bytes.writeUInt16BE([0x0001, 0x0020, 0x802c][round % 3] ?? 0, 20)
    if (bytes.length > 24) bytes.writeUInt16BE(round % 24, 22)
    readAnswer(bytes)
  }
})
