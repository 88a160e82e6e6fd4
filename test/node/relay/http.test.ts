import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { test } from 'node:test'
import { type RelayOptions, startRelay } from '../../../src/relay/index.js'
import { KeyPair, RawClient } from './raw-client.js'

const relayWith = (options: RelayOptions = {}) => startRelay({ port: 0, ...options })

const Z_BASE_32 = 'ybndrfg8ejkmcpqxot1uwisza345h769'

function zBase32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,5}/g) ?? []).map((five) => Z_BASE_32[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')
}

/** A signed packet as `PUT /pkarr/` takes it; a BEP 44 item of the given time. */
function signedPacket(pair: KeyPair, micros: bigint, content = Buffer.alloc(30, 1)): Buffer {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(micros)
  const signature = pair.sign(Buffer.concat([Buffer.from(`3:seqi${micros}e1:v${content.length}:`), content]))
  return Buffer.concat([signature, time, content])
}

const nowMicros = () => BigInt(Date.now()) * 1000n

async function put(url: string, pair: KeyPair, body: Buffer): Promise<number> {
  const answer = await fetch(`${url}pkarr/${zBase32(pair.key)}`, { method: 'PUT', body: new Uint8Array(body) })
  await answer.arrayBuffer()
  return answer.status
}

test('the probes answer as those of stock relays do, for every origin', async () => {
  await using relay = await relayWith()
  const ping = await fetch(`${relay.url}ping`)
  assert.equal(ping.status, 200)
  assert.equal(await ping.text(), '')
  assert.equal(ping.headers.get('access-control-allow-origin'), '*')
  const portal = await fetch(`${relay.url}generate_204`, { headers: { 'X-Iroh-Challenge': 'ts_example.org' } })
  assert.equal(portal.status, 204)
  assert.equal(portal.headers.get('x-iroh-response'), 'response ts_example.org')
  const strange = await fetch(`${relay.url}generate_204`, { headers: { 'X-Iroh-Challenge': 'a b<c>' } })
  assert.equal(strange.headers.get('x-iroh-response'), null)
  const health = (await (await fetch(`${relay.url}healthz`)).json()) as { status: string; version: string }
  assert.equal(health.status, 'ok')
  assert.match(health.version, /^\d+\.\d+\.\d+/)
  assert.match(await (await fetch(relay.url)).text(), /anypath relay/)
})

test('what is not there, and what is not done there, is said', async () => {
  await using relay = await relayWith()
  assert.equal((await fetch(`${relay.url}nothing`)).status, 404)
  assert.equal((await fetch(`${relay.url}metrics`)).status, 404)
  assert.equal((await fetch(`${relay.url}ping`, { method: 'POST' })).status, 405)
  assert.equal((await fetch(`${relay.url}relay`)).status, 426)
  const preflight = await fetch(`${relay.url}pkarr/x`, { method: 'OPTIONS' })
  assert.equal(preflight.status, 204)
  assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /PUT/)
})

test('a signed record is given back as it was put, and an older one does not replace it', async () => {
  await using relay = await relayWith()
  const pair = new KeyPair()
  const url = `${relay.url}pkarr/${zBase32(pair.key)}`
  assert.equal((await fetch(url)).status, 404)
  const time = nowMicros()
  const record = signedPacket(pair, time)
  assert.equal(await put(relay.url, pair, record), 204)
  const answer = await fetch(url)
  assert.equal(answer.headers.get('content-type'), 'application/x-pkarr-signed-packet')
  assert.equal(answer.headers.get('access-control-allow-origin'), '*')
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), record)
  assert.equal(await put(relay.url, pair, signedPacket(pair, time - 1n)), 409)
  assert.equal(await put(relay.url, pair, record), 204)
  const newer = signedPacket(pair, time + 1n, Buffer.alloc(40, 2))
  assert.equal(await put(relay.url, pair, newer), 204)
  assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), newer)
  assert.equal(relay.metrics().records, 1)
})

test('records of others, of the future, and of a wrong size are refused', async () => {
  await using relay = await relayWith({ limits: { maxRecords: 3 } })
  const pair = new KeyPair()
  const other = new KeyPair()
  assert.equal(await put(relay.url, pair, signedPacket(other, nowMicros())), 400)
  assert.equal(await put(relay.url, pair, signedPacket(pair, nowMicros() + 3_600_000_000n)), 400)
  assert.equal(await put(relay.url, pair, signedPacket(pair, nowMicros(), Buffer.alloc(1_001))), 413)
  assert.equal(await put(relay.url, pair, signedPacket(pair, nowMicros(), Buffer.alloc(1_000))), 204)
  assert.equal(await put(relay.url, pair, Buffer.alloc(10)), 400)
  assert.equal(await put(relay.url, pair, Buffer.alloc(500_000)).catch(() => 413), 413)
  assert.equal((await fetch(`${relay.url}pkarr/not-a-key`)).status, 404)
  assert.equal((await fetch(`${relay.url}pkarr/${'a'.repeat(51)}`)).status, 400)
  for (let i = 0; i < 5; i++) {
    const one = new KeyPair()
    assert.equal(await put(relay.url, one, signedPacket(one, nowMicros())), 204)
  }
  assert.equal(relay.metrics().records, 3)
  assert.equal(relay.metrics().recordsRefused, 5)
})

test('records are put at a limited rate by each address', async () => {
  await using relay = await relayWith({ trustProxy: true, limits: { recordsPerMinute: 3 } })
  const from = async (address: string): Promise<number> => {
    const pair = new KeyPair()
    const answer = await fetch(`${relay.url}pkarr/${zBase32(pair.key)}`, {
      method: 'PUT',
      body: new Uint8Array(signedPacket(pair, nowMicros())),
      headers: { 'X-Forwarded-For': `203.0.113.77, ${address}` },
    })
    return answer.status
  }
  const statuses = []
  for (let i = 0; i < 4; i++) statuses.push(await from('2001:db8:1:2::1'))
  assert.deepEqual(statuses, [204, 204, 204, 429])
  assert.equal(await from('2001:db8:1:2:ffff::9'), 429, 'the same /64')
  assert.equal(await from('2001:db8:1:3::1'), 204)
})

test('a relay without records has none', async () => {
  await using relay = await relayWith({ pkarr: false })
  assert.equal((await fetch(`${relay.url}pkarr/${zBase32(new KeyPair().key)}`)).status, 404)
})

test('tokens are asked for, in the header or in the query', async () => {
  await using relay = await relayWith({ tokens: ['open sesame', 'second'] })
  for (const options of [
    { headers: { Authorization: 'Bearer second' } },
    { query: '?token=open%20sesame' },
    { query: '?x=1&token=second', headers: { Authorization: 'Basic dXNlcg==' } },
  ]) {
    ;(await RawClient.connect(relay.url, options)).close()
  }
  for (const options of [
    {},
    { query: '?token=third' },
    { headers: { Authorization: 'Bearer third' }, query: '?token=second' },
  ]) {
    const refused = new RawClient(relay.url, options)
    const denial = await refused.next()
    assert.equal(denial[0], 3)
    assert.equal(denial.subarray(2).toString(), 'not authorized')
  }
  assert.equal(relay.metrics().refusedAccess, 3)
})

test('lists say which keys may connect', async () => {
  const [friend, foe, stranger] = [new KeyPair(), new KeyPair(), new KeyPair()]
  await using relay = await relayWith({ allow: [friend.id, foe.id], deny: [foe.id] })
  ;(await RawClient.connect(relay.url, { pair: friend })).close()
  for (const pair of [foe, stranger]) await assert.rejects(RawClient.connect(relay.url, { pair }), /not confirmed/)
})

test('connections are counted by the address that a trusted proxy tells', async () => {
  await using relay = await relayWith({ trustProxy: true, limits: { maxConnectionsPerAddress: 2 } })
  const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })
  await RawClient.connect(relay.url, from('192.0.2.1'))
  const second = await RawClient.connect(relay.url, from('192.0.2.1'))
  await assert.rejects(RawClient.connect(relay.url, from('192.0.2.1')))
  await RawClient.connect(relay.url, from('192.0.2.2'))
  second.close()
  await second.closed
  await RawClient.connect(relay.url, from('192.0.2.1'))
})

test('metrics are served on a port of their own, in the format that Prometheus reads', async () => {
  await using relay = await relayWith({ metricsPort: 0 })
  await RawClient.connect(relay.url)
  assert.ok(relay.metricsPort)
  const answer = await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const text = await answer.text()
  const samples = new Map<string, number>()
  const types = new Map<string, string>()
  for (const line of text.trimEnd().split('\n')) {
    const type = /^# TYPE ([a-z_]+) (counter|gauge)$/.exec(line)
    const sample = /^([a-z_]+) (\d+(?:\.\d+)?)$/.exec(line)
    if (type?.[1] && type[2]) types.set(type[1], type[2])
    else if (sample?.[1]) samples.set(sample[1], Number(sample[2]))
    else assert.match(line, /^# HELP [a-z_]+ \S.*$/)
  }
  assert.equal(samples.get('anypath_relay_clients'), 1)
  assert.equal(samples.get('anypath_relay_accepted_total'), 1)
  assert.deepEqual([...samples.keys()], [...types.keys()])
  for (const [name, type] of types) assert.equal(name.endsWith('_total'), type === 'counter', name)
  assert.equal((await fetch(`http://127.0.0.1:${relay.metricsPort}/`)).status, 404)
})

test('a header of more than 8 KiB is refused', async () => {
  await using relay = await relayWith()
  const status = await new Promise((resolve) => {
    const sent = request(`${relay.url}ping`, { headers: { 'X-Long': createHash('sha256').digest('hex').repeat(200) } })
    sent.on('response', ({ statusCode }) => resolve(statusCode))
    sent.on('error', () => resolve('closed'))
    sent.end()
  })
  assert.equal(status, 'closed')
})
