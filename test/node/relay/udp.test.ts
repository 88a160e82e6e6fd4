import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { selfSignedCertificate } from '../../../src/relay/certificate.js'
import { startRelay } from '../../../src/relay/index.js'
import { until } from './raw-client.js'

const folder = mkdtempSync(join(tmpdir(), 'anypath-relay-udp-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const qad = { qadCertFile: join(folder, 'cert.pem'), qadKeyFile: join(folder, 'key.pem') }

function writeCertificate(): void {
  const { certificatePem, privateKeyPem } = selfSignedCertificate()
  writeFileSync(qad.qadCertFile, certificatePem)
  writeFileSync(qad.qadKeyFile, privateKeyPem)
}

/** The port that a Binding request (RFC 8489) is told that it came from, and the one that it did. */
async function mappedPort(server: number): Promise<{ told: number; own: number }> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const request = Buffer.concat([Buffer.from('000100002112a442', 'hex'), randomBytes(12)])
  socket.send(request, server, '127.0.0.1')
  const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })) as [Buffer]
  const own = socket.address().port
  socket.close()
  assert.equal(answer.readUInt16BE(0), 0x0101)
  const at = answer.indexOf(Buffer.from('00200008', 'hex'), 20)
  return { told: answer.readUInt16BE(at + 6) ^ 0x2112, own }
}

test('STUN is answered on its port, and counted', async () => {
  await using relay = await startRelay({ port: 0, stunPort: 0 })
  assert.ok(relay.stunPort)
  const { told, own } = await mappedPort(relay.stunPort)
  assert.equal(told, own)
  await until(() => relay.metrics().stunAnswered === 1, 'the count')
})

test('STUN and address discovery share a port when they are given the same', async () => {
  writeCertificate()
  const free = await startRelay({ port: 0, stunPort: 0 })
  const { stunPort } = free
  await free.close()
  assert.ok(stunPort)
  await using relay = await startRelay({ port: 0, ...qad, stunPort, qadPort: stunPort })
  assert.deepEqual([relay.stunPort, relay.qadPort], [stunPort, stunPort])
  const { told, own } = await mappedPort(stunPort)
  assert.equal(told, own)
  await until(() => relay.metrics().stunAnswered === 1, 'the count')
  writeCertificate()
  await relay.reload()
  assert.equal(relay.qadPort, stunPort)
  assert.equal((await mappedPort(stunPort)).told > 0, true)
  await until(() => relay.metrics().stunAnswered === 2, 'the count goes on')
})
