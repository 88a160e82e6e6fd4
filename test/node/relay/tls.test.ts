import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { pathToFileURL } from 'node:url'
import { type RelayOptions, startRelay } from '../../../src/relay/index.js'
import { KeyPair, RawClient } from './raw-client.js'

interface Certificate {
  readonly cert: string
  readonly key: string
  readonly sha256: Buffer
}

const helper = join(process.env.ANYPATH_ROOT ?? process.cwd(), 'bench', 'harness', 'certificate.mjs')
const { selfSigned } = (await import(pathToFileURL(helper).href)) as { selfSigned: () => Certificate }
const folder = mkdtempSync(join(tmpdir(), 'anypath-relay-tls-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const files = { tlsCertFile: join(folder, 'cert.pem'), tlsKeyFile: join(folder, 'key.pem') }

function writeCertificate(): Certificate {
  const certificate = selfSigned()
  writeFileSync(files.tlsCertFile, certificate.cert)
  writeFileSync(files.tlsKeyFile, certificate.key)
  return certificate
}

const relayWith = (options: RelayOptions = {}) => startRelay({ port: 0, ...files, ...options })

function tlsTo(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => resolve(socket))
    socket.on('error', reject)
  })
}

async function fingerprint(port: number): Promise<string> {
  const socket = await tlsTo(port)
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256.replaceAll(':', '').toLowerCase()
}

/** The header by which native iroh clients save a round trip, signed over what this TLS connection exports. */
function keyMaterialHeader(socket: TLSSocket, pair: KeyPair, claimed = pair.key): Record<string, string> {
  const material = socket.exportKeyingMaterial(32, 'iroh-relay handshake v1', claimed)
  const proof = Buffer.concat([claimed, Buffer.from([64]), pair.sign(material.subarray(0, 16)), material.subarray(16)])
  return { 'x-iroh-relay-client-auth-v1': proof.toString('base64url') }
}

test('over TLS clients prove their key by a challenge', async () => {
  writeCertificate()
  await using relay = await relayWith()
  assert.match(relay.url, /^https:/)
  const one = await RawClient.connect(relay.url)
  const two = await RawClient.connect(relay.url)
  one.datagram(two.pair.key, Buffer.from('hello'))
  await two.nextOf(6)
})

test("a client that signs the connection's keying material is let in without a challenge", async () => {
  writeCertificate()
  await using relay = await relayWith()
  const pair = new KeyPair()
  const socket = await tlsTo(relay.httpPort)
  const client = new RawClient(relay.url, { pair, headers: keyMaterialHeader(socket, pair), socket })
  assert.equal((await client.next())[0], 2)
  client.datagram(pair.key, Buffer.from('me'))
  assert.equal((await client.nextOf(6)).subarray(1, 33).toString('hex'), pair.id)
})

test('keying material of another connection, or under another key, leads to a challenge', async () => {
  writeCertificate()
  await using relay = await relayWith()
  const pair = new KeyPair()
  const other = await tlsTo(relay.httpPort)
  const foreign = keyMaterialHeader(other, pair)
  for (const headersOf of [
    () => foreign,
    (socket: TLSSocket) => keyMaterialHeader(socket, pair, new KeyPair().key),
    () => ({ 'x-iroh-relay-client-auth-v1': 'AAAA' }),
  ]) {
    const socket = await tlsTo(relay.httpPort)
    const client = new RawClient(relay.url, { pair, headers: headersOf(socket), socket })
    const challenge = await client.next()
    assert.equal(challenge[0], 0)
    client.socket.send(pair.clientAuth(challenge.subarray(1)))
    assert.equal((await client.next())[0], 2)
    client.close()
  }
})

test('a new certificate is read without a connection being lost, and one that is broken changes nothing', async () => {
  const first = writeCertificate()
  const tokens = join(folder, 'tokens')
  const denied = join(folder, 'denied')
  writeFileSync(tokens, '# nobody\nfirst\n')
  writeFileSync(denied, '')
  await using relay = await relayWith({ tokenFile: tokens, denyFile: denied })
  const query = '?token=first'
  const stays = await RawClient.connect(relay.url, { query })
  const goes = await RawClient.connect(relay.url, { query })
  assert.equal(await fingerprint(relay.httpPort), first.sha256.toString('hex'))
  writeFileSync(files.tlsKeyFile, 'nonsense')
  writeFileSync(denied, 'nonsense')
  await assert.rejects(relay.reload(), /denyFile, line 1/)
  writeFileSync(denied, `${goes.pair.id}\n`)
  await assert.rejects(relay.reload(), /tlsCertFile and tlsKeyFile/)
  assert.equal(await fingerprint(relay.httpPort), first.sha256.toString('hex'))
  const second = writeCertificate()
  writeFileSync(tokens, 'second\n')
  await relay.reload()
  assert.equal(await fingerprint(relay.httpPort), second.sha256.toString('hex'))
  assert.equal((await goes.closed).code, 1008)
  await assert.rejects(RawClient.connect(relay.url, { query }), /no challenge/)
  ;(await RawClient.connect(relay.url, { query: '?token=second' })).close()
  stays.datagram(stays.pair.key, Buffer.from('still here'))
  await stays.nextOf(6)
})

test('a plain port answers captive portal probes, and nothing else', async () => {
  writeCertificate()
  const probe = await startRelay({ port: 0 })
  const { httpPort: captivePortalPort } = probe
  await probe.close()
  await using _relay = await relayWith({ captivePortalPort })
  const answer = await fetch(`http://127.0.0.1:${captivePortalPort}/generate_204`, {
    headers: { 'X-Iroh-Challenge': 'a' },
  })
  assert.deepEqual([answer.status, answer.headers.get('x-iroh-response')], [204, 'response a'])
  assert.equal((await fetch(`http://127.0.0.1:${captivePortalPort}/healthz`)).status, 404)
})
