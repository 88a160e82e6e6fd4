import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { certifiedKeyFromPem, selfSignedCertificate } from '../../../src/relay/certificate.js'

test('a self-signed certificate is one that OpenSSL verifies for each of its names', async (context) => {
  const made = selfSignedCertificate({ names: ['relay.example', '127.0.0.1', '2001:db8::a:1'], days: 3 })
  const certificate = new X509Certificate(made.certificatePem)
  assert.ok(certificate.verify(certificate.publicKey))
  assert.ok(certificate.checkPrivateKey(createPrivateKey(made.privateKeyPem)))
  assert.equal(certificate.checkHost('relay.example'), 'relay.example')
  assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(certificate.checkIP('2001:db8::a:1'), '2001:db8::a:1')
  assert.equal(certificate.checkHost('other.example'), undefined)
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  assert.equal(to - from, 3 * 86_400_000)
  assert.ok(from < Date.now() && Date.now() < to)
  assert.deepEqual(Buffer.from(made.certificateChain[0] ?? []), certificate.raw)

  const server = createServer({ cert: made.certificatePem, key: made.privateKeyPem }, (socket) => socket.end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  context.after(() => server.close())
  const { port } = server.address() as { port: number }
  const client = connect({ host: '127.0.0.1', port, ca: made.certificatePem, servername: 'relay.example' })
  await new Promise((resolve, reject) => client.once('secureConnect', resolve).once('error', reject))
  assert.ok(client.authorized)
  client.destroy()
})

test('two certificates share neither key nor serial number', () => {
  const [one, two] = [selfSignedCertificate(), selfSignedCertificate()].map(
    ({ certificatePem }) => new X509Certificate(certificatePem),
  )
  assert.notEqual(one?.serialNumber, two?.serialNumber)
  assert.notEqual(one?.fingerprint256, two?.fingerprint256)
  assert.ok(one?.checkHost('localhost') && one.checkIP('::1'))
})

test('names that no certificate can have are refused', () => {
  for (const names of [[], ['bücher.example'], ['']]) {
    assert.throws(() => selfSignedCertificate({ names }), { code: 'InvalidConfig', message: /^names: / })
  }
})

test('a chain and a key are read from PEM, whatever is between the blocks', () => {
  const [own, issuer] = [selfSignedCertificate(), selfSignedCertificate()]
  const sec1 = createPrivateKey(own.privateKeyPem).export({ type: 'sec1', format: 'pem' }).toString()
  const read = certifiedKeyFromPem(`subject: x\r\n${own.certificatePem}\r\n# issuer\n${issuer.certificatePem}`, sec1)
  assert.deepEqual(
    read.certificateChain.map((der) => Buffer.from(der).toString('hex')),
    [
      Buffer.from(own.certificateChain[0] ?? []).toString('hex'),
      Buffer.from(issuer.certificateChain[0] ?? []).toString('hex'),
    ],
  )
  assert.deepEqual(Buffer.from(read.privateKey), Buffer.from(own.privateKey))
})

test('PEM that can not be used is refused, and the key is not quoted', () => {
  const [own, other] = [selfSignedCertificate(), selfSignedCertificate()]
  const refuses = (chain: string, key: string, message: RegExp) =>
    assert.throws(
      () => certifiedKeyFromPem(chain, key),
      (thrown: Error & { code: string }) => {
        assert.deepEqual([thrown.code, thrown.cause], ['InvalidConfig', undefined])
        assert.match(thrown.message, message)
        return true
      },
    )
  refuses('', own.privateKeyPem, /no certificate/)
  refuses(own.privateKeyPem, own.privateKeyPem, /no certificate/)
  refuses(own.certificatePem.replace('MII', 'AII'), own.privateKeyPem, /malformed/)
  refuses(own.certificatePem, other.privateKeyPem, /not the certificate's/)
  refuses(own.certificatePem, own.certificatePem, /private key is malformed/)
  const encrypted = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' },
  })
  refuses(own.certificatePem, encrypted.privateKey, /encrypted/)
})
