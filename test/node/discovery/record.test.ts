import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zBase32FromHex } from '../../../src/discovery/base-32.js'
import type { TicketAddress } from '../../../src/discovery/index.js'
import type { RecordParts } from '../../../src/driver/record-keeper.js'
import { zBase32 } from './pkarr-server.js'
import { recordPeer } from './record-peer.js'

const TIMESTAMP = 1_795_563_350_368_862
/** Made by `iroh-dns` 1.4.1 of the key of 32 times 42, less the id. */
const IROH = [
  '262fc60a0609ce950faa6af2447718aacb644b744a77a3f79e24a4a0c1e91629d4c67014720a91f083af32d22316966df119e05ace7ccd941be4d992',
  'b603f10d0006610e2baba25e000080000000000500000000055f69726f6834646639737365396270316e756674696d3379687869756b367736723568',
  '646473736b6a79677079647578376573786a7374696f6f00001000010000001e001d1c72656c61793d68747470733a2f2f72656c61792e6578616d70',
  '6c652fc00c001000010000001e001413616464723d3139322e302e322e313a34343333c00c001000010000001e001817616464723d5b323030313a64',
  '62383a3a315d3a34343333c00c001000010000001e000c0b616464723d315f61316232c00c001000010000001e001b1a757365722d646174613d616e',
  '79706174683a353b726f6f6d2037',
].join('')
const FORTY_TWO = new Uint8Array(32).fill(42)
const ADDRESSES: TicketAddress[] = [
  { kind: 'relay', url: 'https://relay.example/' },
  { kind: 'ip', host: '192.0.2.1', port: 4433 },
  { kind: 'ip', host: '2001:db8::1', port: 4433 },
  { kind: 'custom', transportId: 1n, data: new Uint8Array([0xa1, 0xb2]) },
]

test('a record that iroh signed is read', async (t) => {
  const { records } = await recordPeer(t)
  const other = await recordPeer(t, { secretKey: FORTY_TWO })
  const record = await records.readRecord(other.publicKey, Buffer.from(IROH, 'hex'))
  assert.equal(record.timestampMicros, BigInt(TIMESTAMP))
  assert.equal(record.userData, 'room 7')
  assert.equal(record.endpoint.anypath, true)
  assert.deepEqual(record.endpoint.addresses.slice(0, 4), ADDRESSES)
})

test('a record that is signed here reads back, whether or not it marks an anypath peer and has user data', async (t) => {
  const { records, publicKey: id } = await recordPeer(t)
  for (const anypath of [true, false]) {
    for (const userData of ['room 7', '', undefined]) {
      const content = { endpoint: { id, anypath, addresses: ADDRESSES }, userData }
      const record = await records.readRecord(id, await records.signRecord(content, 30, TIMESTAMP))
      assert.equal(record.timestampMicros, BigInt(TIMESTAMP))
      assert.equal(record.userData, userData)
      assert.equal(record.endpoint.anypath, anypath)
      assert.deepEqual(record.endpoint.addresses.slice(0, 4), ADDRESSES)
      assert.equal(record.endpoint.addresses.length, anypath ? 5 : 4)
    }
  }
})

test('a record that was changed, or found under another id, is refused with InvalidRecord', async (t) => {
  const { records, publicKey: id } = await recordPeer(t)
  const packet = await records.signRecord({ endpoint: { id, anypath: true, addresses: ADDRESSES } }, 30, TIMESTAMP)
  for (const at of [0, 63, 64, 71, 72, packet.length - 1]) {
    const bent = packet.slice()
    bent[at] = (bent[at] ?? 0) ^ 1
    await assert.rejects(records.readRecord(id, bent), { code: 'InvalidRecord', retryable: false })
  }
  const { publicKey: other } = await recordPeer(t)
  await assert.rejects(records.readRecord(other, packet), { code: 'InvalidRecord', message: /signature/ })
  for (const length of [0, 71, 1073]) {
    await assert.rejects(records.readRecord(id, new Uint8Array(length)), { code: 'InvalidRecord' }, `${length} bytes`)
  }
  await assert.rejects(records.readRecord(id.subarray(1), packet), { code: 'InvalidKey' })
})

test('what no record can say is refused with InvalidArgument', async (t) => {
  const { records, publicKey: id } = await recordPeer(t)
  const { publicKey: other } = await recordPeer(t)
  const endpoint = { id, anypath: true, addresses: [] }
  const refuses = (content: RecordParts, ttlSeconds = 30, timestamp = TIMESTAMP) =>
    assert.rejects(records.signRecord(content, ttlSeconds, timestamp), { code: 'InvalidArgument' })
  await refuses({ endpoint: { ...endpoint, id: other } })
  await refuses({ endpoint, userData: 'x'.repeat(236) })
  await refuses({ endpoint, userData: 'anypath:0' })
  await refuses({ endpoint: { ...endpoint, addresses: [{ kind: 'relay', url: 'https://a.example/?token=x' }] } })
  await refuses({ endpoint }, -1)
  await refuses({ endpoint }, 0.5)
  await refuses({ endpoint }, 30, 2 ** 53)
  await records.signRecord({ endpoint, userData: 'x'.repeat(235) }, 0, 0)
})

test('an id has the same z-base-32 text as elsewhere', () => {
  const id = '197f6b23e16c8532c6abc838facd5ea789be0c76b2920334039bfa8b3d368d61'
  assert.equal(zBase32FromHex(id), 'df9sse9bp1nuftim3yhxiuk6w6r5hddsskjygpydux7esxjstioo')
  for (let round = 0; round < 20; round++) {
    const random = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')
    assert.equal(zBase32FromHex(random), zBase32(random))
  }
})
