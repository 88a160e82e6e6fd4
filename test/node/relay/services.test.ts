import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { selfSignedCertificate } from '../../../src/relay/certificate.js'
import { startRelay } from '../../../src/relay/index.js'
import { StunClient } from '../stun-client.js'

async function certificateFiles(context: TestContext): Promise<{ qadCertFile: string; qadKeyFile: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'anypath-services-'))
  context.after(() => rm(folder, { recursive: true, force: true }))
  const [qadCertFile, qadKeyFile] = [join(folder, 'chain.pem'), join(folder, 'key.pem')]
  const { certificatePem, privateKeyPem } = selfSignedCertificate()
  await writeFile(qadCertFile, certificatePem)
  await writeFile(qadKeyFile, privateKeyPem)
  return { qadCertFile, qadKeyFile }
}

test('a relay answers STUN and opens address discovery where it is asked to, and lets both ports go', async (context) => {
  const files = await certificateFiles(context)
  const relay = await startRelay({ port: 0, stunPort: 0, qadPort: 0, ...files })
  const { stunPort, qadPort } = relay
  assert.ok(stunPort && qadPort)
  const client = await StunClient.open()
  context.after(() => client.close())
  assert.equal((await client.ask('127.0.0.1', stunPort))?.port, client.port)
  await relay.close()
  const again = await startRelay({ port: 0, stunPort, qadPort, ...files })
  assert.deepEqual([again.stunPort, again.qadPort], [stunPort, qadPort])
  await again.close()
})

test('a second STUN port is answered like the first, and is refused without it', async (context) => {
  const relay = await startRelay({ port: 0, stunPort: 0, stunOtherPort: 0 })
  context.after(() => relay.close())
  const { stunPort, stunOtherPort } = relay
  assert.ok(stunPort && stunOtherPort && stunPort !== stunOtherPort)
  const client = await StunClient.open()
  context.after(() => client.close())
  for (const port of [stunPort, stunOtherPort]) assert.equal((await client.ask('127.0.0.1', port))?.port, client.port)
  const message = /^stunOtherPort: is for a relay with a stunPort/
  await assert.rejects(startRelay({ port: 0, stunOtherPort: 0 }), { code: 'InvalidConfig', message })
})

test('a relay that is not asked to opens no UDP port', async () => {
  const relay = await startRelay({ port: 0 })
  assert.deepEqual([relay.stunPort, relay.qadPort], [undefined, undefined])
  await relay.close()
})

test('address discovery without a certificate that can be used is refused, and nothing stays open', async (context) => {
  const { qadCertFile, qadKeyFile } = await certificateFiles(context)
  const other = await certificateFiles(context)
  const first = await startRelay({ port: 0, stunPort: 0 })
  const { stunPort } = first
  await first.close()
  assert.ok(stunPort)
  const refuses = (options: object, message: RegExp) =>
    assert.rejects(startRelay({ port: 0, stunPort, qadPort: 0, ...options }), { code: 'InvalidConfig', message })
  await refuses({}, /^qadPort: needs a certificate/)
  await refuses({ qadCertFile }, /^qadPort: needs a certificate/)
  await refuses({ qadCertFile, qadKeyFile: `${qadKeyFile}x` }, /can't be read: ENOENT/)
  await refuses({ qadCertFile, qadKeyFile: other.qadKeyFile }, /not the certificate's/)
  const relay = await startRelay({ port: 0, stunPort })
  await relay.close()
})
