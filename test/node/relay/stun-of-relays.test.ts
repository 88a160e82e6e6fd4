import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Peer } from '../../../src/entry/node.js'
import { startRelay } from '../../../src/relay/index.js'
import { RelayStunServices } from '../../../src/transport/relay-services.js'

const UDP = { host: '127.0.0.1' } as const

test('a peer with a relay asks that relay’s STUN service, without being told', async (context) => {
  const relay = await startRelay({ port: 0, stunPort: 0 })
  context.after(() => relay.close())
  const peer = await Peer.create({ udp: UDP, relays: [relay.url] })
  context.after(() => peer.close())
  const { stunServers, udp, findings } = await peer.diagnose()
  assert.equal(udp, 'works')
  assert.deepEqual(
    stunServers.map(({ host, port }) => [host, port]),
    [['127.0.0.1', relay.stunPort]],
  )
  assert.ok(!findings.some(({ code }) => code === 'no-stun-server'))
  // More than the diagnosis has from sockets of its own: the peer's socket asked as well.
  await until(() => relay.metrics().stunAnswered >= 3)
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

test('what a relay tells is believed as a port only, and until it tells something else', () => {
  const services = new RelayStunServices()
  const url = 'ws://relay.example/relay'
  for (const told of ['', '0', '65536', '-1', '3478, 3479', '1e3', undefined, ['3478', '3478']]) {
    services.note(url, '192.0.2.1', told)
    assert.deepEqual(services.of([url]), [], String(told))
  }
  services.note(url, '::ffff:192.0.2.1', '3478')
  assert.deepEqual(services.of([url, 'ws://other.example/relay']), [{ host: '192.0.2.1', port: 3478 }])
  services.note(url, '2001:db8::1', '3479')
  assert.deepEqual(services.of([url]), [{ host: '2001:db8::1', port: 3479 }])
  services.note(url, '192.0.2.1', undefined)
  assert.deepEqual(services.of([url]), [])
})

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!isSo()) {
    assert.ok(performance.now() < deadline, 'not within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
