import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { startAddressDiscovery } from '../../../src/relay/address-discovery.js'
import { selfSignedCertificate } from '../../../src/relay/certificate.js'
import { StunClient } from '../stun-client.js'
import { ALPN, connected, loopback, rejection } from './pair.js'

test('peers connect by key to an engine that serves address discovery beside its applications', async (context) => {
  const addressDiscovery = selfSignedCertificate()
  const [server, client] = [await loopback(context, { addressDiscovery }), await loopback(context)]
  const { c } = await connected(client, server)
  const { info } = await client.event('connected', c)
  assert.deepEqual(info.alpn, ALPN)
  const { discoveries, discoveryClients, accepted } = await server.engine.peerStats()
  assert.deepEqual([discoveries, discoveryClients, accepted], [0, 0, 1])
})

test('a certificate or key that can not be used is named when the engine starts', async (context) => {
  const [own, other] = [selfSignedCertificate(), selfSignedCertificate()]
  const refuses = async (change: object, message: RegExp) => {
    const refused = await rejection(loopback(context, { addressDiscovery: { ...own, ...change } }))
    assert.equal(refused.code, 'InvalidConfig')
    assert.match(refused.message, message)
  }
  await refuses({ certificateChain: [] }, /chain is empty/)
  await refuses({ certificateChain: [new Uint8Array(10)] }, /certificate is malformed/)
  await refuses({ privateKey: new Uint8Array(10) }, /private key is malformed/)
  await refuses({ privateKey: other.privateKey }, /not the certificate's/)
  const { privateKey } = generateKeyPairSync('x25519')
  await refuses({ privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }) }, /of a kind that is not known/)
  await refuses({ maxClients: -1 }, /^addressDiscovery.maxClients/)
})

test('the service alone answers STUN on its port too, if asked, and no peer can connect to it', async (context) => {
  const server = await startAddressDiscovery({ port: 0, stun: true, ...selfSignedCertificate() })
  context.after(() => server.close())
  const stun = await StunClient.open()
  context.after(() => stun.close())
  assert.equal((await stun.ask('127.0.0.1', server.port))?.port, stun.port)
  const client = await loopback(context)
  const connection = await client.engine.connect({
    remoteId: client.engine.endpointId,
    alpn: ALPN,
    addresses: [{ carrier: 0, host: '127.0.0.1', port: server.port }],
    relays: [],
    earlyData: false,
  })
  // The error table's AlpnNotServed.
  assert.equal((await client.event('closed', connection)).code, 12)
  assert.deepEqual(await server.counts(), { clients: 0, served: 0, refused: 0, stunAnswered: 1, stunLimited: 0 })
})
