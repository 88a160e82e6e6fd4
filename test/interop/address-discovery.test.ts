import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Peer, type PeerStats } from '../../src/entry/node.js'
import { startAddressDiscovery } from '../../src/relay/address-discovery.js'
import { selfSignedCertificate } from '../../src/relay/certificate.js'
import { IrohPeer, type PeerReport, skipStock } from './stock-peers.js'
import { STOCK_QAD_PORT, startStockTlsRelay } from './stock-servers.js'

/** Nobody listens there: the relay itself plays no part. */
const RELAY = 'http://127.0.0.1:9'

async function discover(
  port: number,
  trusted: Uint8Array,
  context: TestContext,
  more: string[] = [],
): Promise<PeerReport> {
  const folder = await mkdtemp(join(tmpdir(), 'anypath-discovery-'))
  context.after(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'trusted.der')
  await writeFile(file, trusted)
  const peer = new IrohPeer(['discover', '--relay', RELAY, '--port', String(port), '--trust', file, ...more])
  try {
    return await peer.report('discovered')
  } finally {
    await peer[Symbol.asyncDispose]()
  }
}

test('a stock iroh endpoint learns its address from our address-discovery service', {
  skip: skipStock,
}, async (context) => {
  const certificate = selfSignedCertificate()
  const server = await startAddressDiscovery({ port: 0, ...certificate })
  context.after(() => server.close())
  const [trusted = new Uint8Array()] = certificate.certificateChain
  const found = await discover(server.port, trusted, context)
  assert.equal(found.global_v4, `127.0.0.1:${found.port}`)
  const { served, refused } = await server.counts()
  assert.ok(served >= 1, `${served} served`)
  assert.equal(refused, 0)
})

test('a stock iroh endpoint that does not trust the certificate learns nothing', {
  skip: skipStock,
}, async (context) => {
  const server = await startAddressDiscovery({ port: 0, ...selfSignedCertificate() })
  context.after(() => server.close())
  const [other = new Uint8Array()] = selfSignedCertificate().certificateChain
  const found = await discover(server.port, other, context, ['--timeout-ms', '4000'])
  assert.deepEqual([found.global_v4, found.global_v6], [null, null])
  assert.equal((await server.counts()).clients, 0)
})

test('a peer of ours learns its address from a stock relay, if it trusts the relay’s certificate', {
  skip: skipStock,
}, async (context) => {
  const host = '127.0.0.77'
  const certificate = selfSignedCertificate({ names: [host] })
  const relay = await startStockTlsRelay(host, certificate)
  context.after(() => relay[Symbol.asyncDispose]())
  const peerWith = async (ca: string): Promise<Peer> => {
    const peer = await Peer.create({ udp: { host: '127.0.0.1' }, relays: [{ url: relay.url, ca }] })
    context.after(() => peer.close())
    return peer
  }
  const peer = await peerWith(certificate.certificatePem)
  await peer.online({ timeoutMs: 30_000 })
  const { observations, discoveryConnects } = await statsWhen(peer, ({ observations }) => observations.length > 0)
  const [observed] = observations
  const [address] = (await peer.ticket()).addresses.filter(({ kind }) => kind === 'ip')
  assert.ok(address?.kind === 'ip')
  assert.deepEqual(
    [observed?.by, observed?.observer, observed?.mapped],
    ['server', { host, port: STOCK_QAD_PORT }, { host: '127.0.0.1', port: address.port }],
  )
  assert.ok((observed?.rttMs ?? -1) >= 0)
  assert.equal(discoveryConnects, 1)

  const wary = await peerWith(selfSignedCertificate({ names: [host] }).certificatePem)
  await assert.rejects(wary.online({ timeoutMs: 3000 }))
  assert.deepEqual((await wary.stats()).observations, [])
})

/** The figures, once they are so. */
async function statsWhen(peer: Peer, isSo: (stats: PeerStats) => boolean): Promise<PeerStats> {
  for (const deadline = performance.now() + 20_000; ; ) {
    const stats = await peer.stats()
    if (isSo(stats)) return stats
    assert.ok(performance.now() < deadline, JSON.stringify(stats))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
