import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Peer } from '../../../src/entry/node.js'
import { selfSignedCertificate } from '../../../src/relay/certificate.js'
import { startRelay } from '../../../src/relay/index.js'
import { startStun } from '../../../src/relay/stun.js'
import { RelayServices } from '../../../src/transport/relay-services.js'

const UDP = { host: '127.0.0.1' } as const

test('a peer with a relay asks that relay’s STUN service, without being told', async (context) => {
  const relay = await startRelay({ port: 0, stunPort: 0, stunOtherPort: 0 })
  context.after(() => relay.close())
  const peer = await Peer.create({ udp: UDP, relays: [relay.url] })
  context.after(() => peer.close())
  const { stunServers, udp, findings } = await peer.diagnose()
  assert.equal(udp, 'works')
  assert.deepEqual(
    stunServers.map(({ host, port }) => [host, port]),
    [
      ['127.0.0.1', relay.stunPort],
      ['127.0.0.1', relay.stunOtherPort],
    ],
  )
  assert.ok(!findings.some(({ code }) => code === 'no-stun-server'))
  // More than the diagnosis has from sockets of its own: the peer's socket asked as well.
  await until(async () => relay.metrics().stunAnswered >= 5)
})

test('an empty list asks nobody, and a relay without the service is not asked', async (context) => {
  const serving = await startRelay({ port: 0, stunPort: 0 })
  const silent = await startRelay({ port: 0 })
  for (const relay of [serving, silent]) context.after(() => relay.close())
  const told = await Peer.create({ udp: UDP, relays: [serving.url], stunServers: [] })
  const other = await Peer.create({ udp: UDP, relays: [silent.url] })
  for (const peer of [told, other]) {
    context.after(() => peer.close())
    const { stunServers, relays, findings } = await peer.diagnose()
    assert.deepEqual([stunServers, relays.map(({ connected }) => connected)], [[], [true]])
    assert.ok(findings.some(({ code }) => code === 'no-stun-server'))
  }
  assert.equal(serving.metrics().stunAnswered, 0)
})

test('a peer asks its relay’s address-discovery service, whose certificate has to be trusted', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'anypath-asking-'))
  context.after(() => rm(folder, { recursive: true, force: true }))
  const [tlsCertFile, tlsKeyFile] = [join(folder, 'chain.pem'), join(folder, 'key.pem')]
  const { certificatePem, privateKeyPem } = selfSignedCertificate()
  await writeFile(tlsCertFile, certificatePem)
  await writeFile(tlsKeyFile, privateKeyPem)
  const relay = await startRelay({ port: 0, qadPort: 0, tlsCertFile, tlsKeyFile })
  context.after(() => relay.close())
  const trusting = await Peer.create({ udp: UDP, relays: [{ url: relay.url, ca: certificatePem }] })
  context.after(() => trusting.close())
  await trusting.online()
  let stats = await trusting.stats()
  await until(async () => {
    stats = await trusting.stats()
    return stats.discoveryObservations > 0
  })
  assert.deepEqual([stats.discoveryConnects, stats.connections, stats.dialsStarted], [1, 0, 0])
  // Over plain HTTP there is a relay connection, and the service's certificate leads to nobody whom Node trusts.
  const plain = await startRelay({ port: 0, qadPort: 0, qadCertFile: tlsCertFile, qadKeyFile: tlsKeyFile })
  context.after(() => plain.close())
  const wary = await Peer.create({ udp: UDP, relays: [plain.url] })
  context.after(() => wary.close())
  await until(async () => (await wary.stats()).discoveryConnects === 1)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  assert.equal((await wary.stats()).discoveryObservations, 0)
})

test('a peer counts what it asks STUN servers and what they answer', async (context) => {
  const server = await startStun({ port: 0 })
  context.after(() => server.close())
  const peer = await Peer.create({ udp: UDP, stunServers: [`127.0.0.1:${server.port}`] })
  context.after(() => peer.close())
  await until(async () => (await peer.stats()).stunRequestsAnswered === 1)
  const { stunRequestsSent, stunForged, stunTimeouts, discoveryConnects } = await peer.stats()
  assert.deepEqual([stunRequestsSent >= 1, stunForged, stunTimeouts, discoveryConnects], [true, 0, 0, 0])
})

test('what a relay tells is believed as a port only, and until it tells something else', () => {
  const services = new RelayServices()
  const url = 'ws://relay.example/relay'
  for (const told of ['', '0', '65536', '-1', '1,2,3', '3478,', '1e3', '3478, 0', undefined, ['3478', '3478']]) {
    services.note(url, '192.0.2.1', { 'x-anypath-stun': told, 'x-anypath-qad': told })
    assert.deepEqual([services.stun(url), services.discovery(url)], [[], undefined], String(told))
  }
  services.note(url, '::ffff:192.0.2.1', { 'x-anypath-stun': '3478, 3479', 'x-anypath-qad': '7842' })
  assert.deepEqual(
    services.stun(url),
    [3478, 3479].map((port) => ({ host: '192.0.2.1', port })),
  )
  assert.deepEqual(services.discovery(url), { host: '192.0.2.1', port: 7842 })
  services.note(url, '2001:db8::1', { 'x-anypath-stun': '3479' })
  assert.deepEqual([services.stun(url), services.discovery(url)], [[{ host: '2001:db8::1', port: 3479 }], undefined])
  services.note(url, undefined, {})
  assert.deepEqual(services.stun(url), [])
})

test('a relay with a certificate that tells of nothing may be iroh’s, whose address discovery is at 7842', () => {
  const services = new RelayServices()
  const url = 'wss://relay.example/relay'
  services.note(url, '192.0.2.1', {})
  assert.deepEqual([services.stun(url), services.discovery(url)], [[], { host: '192.0.2.1', port: 7842 }])
  services.note(url, '192.0.2.1', { 'x-anypath-stun': '3478' })
  assert.equal(services.discovery(url), undefined)
})

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, 'not within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
