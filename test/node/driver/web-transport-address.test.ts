import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AddressCodec } from '../../../src/core/address.js'
import {
  decodeWebTransportAddress,
  encodeWebTransportAddress,
  tcpAddress,
} from '../../../src/core/web-transport-address.js'

const codec = new AddressCodec()
const hashOf = (first: number) => new Uint8Array(32).map((_, index) => first + index)
const sockets = [
  { host: '192.0.2.1', port: 4433 },
  { host: '2001:db8::7', port: 1 },
]

/** Numbers that look random and are the same in every run (xorshift). */
function sequence(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

test('an address is read as it was written', () => {
  for (const hashes of [[hashOf(1)], [hashOf(1), hashOf(9)]]) {
    const data = encodeWebTransportAddress({ hashes, sockets }, codec)
    assert.ok(data)
    assert.equal(data.length, 3 + 32 * hashes.length + 18 * 2)
    assert.deepEqual(decodeWebTransportAddress(data, codec), { hashes, sockets })
  }
})

test('an address over TCP is read as it was written, with a name or without TLS', () => {
  for (const name of ['', 'peer.example.com']) {
    const data = tcpAddress(name, sockets)
    assert.ok(data)
    assert.equal(data.length, 3 + name.length + 18 * 2)
    assert.deepEqual(decodeWebTransportAddress(data, codec), { hashes: [], sockets, name })
  }
  const mapped = '00000000000000000000ffffc0000201'
  assert.equal(Buffer.from(tcpAddress('a.b', sockets.slice(0, 1)) ?? []).toString('hex'), `010301612e62${mapped}5111`)
  assert.equal(tcpAddress('a.b', []), undefined)
})

test('its bytes are what they are said to be', () => {
  const data = encodeWebTransportAddress({ hashes: [hashOf(0)], sockets: sockets.slice(0, 1) }, codec)
  const mapped = '00000000000000000000ffffc0000201'
  const expected = `000101${Buffer.from(hashOf(0)).toString('hex')}${mapped}5111`
  assert.equal(Buffer.from(data ?? []).toString('hex'), expected)
})

test('what is beyond the limits is left out, and without a hash or a socket there is none', () => {
  const many = Array.from({ length: 20 }, (_, index) => ({ host: '192.0.2.1', port: index + 1 }))
  const data = encodeWebTransportAddress({ hashes: [hashOf(0), hashOf(1), hashOf(2)], sockets: many }, codec)
  const read = decodeWebTransportAddress(data ?? new Uint8Array(), codec)
  assert.deepEqual([read?.hashes.length, read?.sockets.length], [2, 8])
  assert.equal(encodeWebTransportAddress({ hashes: [], sockets }, codec), undefined)
  assert.equal(encodeWebTransportAddress({ hashes: [hashOf(0)], sockets: [] }, codec), undefined)
  assert.equal(
    encodeWebTransportAddress({ hashes: [hashOf(0)], sockets: [{ host: 'a.b', port: 1 }] }, codec),
    undefined,
  )
})

test('anything else is no address: cut, longer, of another version, with port 0, or noise', () => {
  const data = encodeWebTransportAddress({ hashes: [hashOf(0)], sockets }, codec) ?? new Uint8Array()
  const read = (bytes: Uint8Array) => decodeWebTransportAddress(bytes, codec)
  for (let length = 0; length < data.length; length++) assert.equal(read(data.subarray(0, length)), undefined)
  assert.equal(read(Uint8Array.of(...data, 0)), undefined)
  assert.equal(read(Uint8Array.of(1, ...data.subarray(1))), undefined)
  assert.equal(read(Uint8Array.of(...data.subarray(0, -2), 0, 0)), undefined)
  const next = sequence(0x9e3779b9)
  for (let round = 0; round < 20_000; round++) {
    const noise = Uint8Array.from({ length: next() % 300 }, (_, index) => (index < 3 ? next() % 10 : next()))
    const found = read(noise)
    if (found === undefined) continue
    assert.ok(found.hashes.length <= 2 && found.sockets.length <= 8)
    // A name that is not ASCII is none, and not written so by anybody.
    if (found.name === undefined) assert.deepEqual(encodeWebTransportAddress(found, codec), noise)
    else if (/^[ -~]*$/.test(found.name)) assert.deepEqual(tcpAddress(found.name, found.sockets), noise)
  }
})
