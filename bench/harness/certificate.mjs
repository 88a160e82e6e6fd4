import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const SEQUENCE = 0x30
const OID_COMMON_NAME = '550403'
const OID_SUBJECT_ALT_NAME = '551d11'
const OID_ECDSA_SHA256 = '2a8648ce3d040302'
const DAY_MS = 86_400_000

/**
 * Makes a self-signed P-256 certificate for 127.0.0.1 and localhost, valid for ten days, for those peers that need one.
 *
 * @returns {{cert: string, key: string, sha256: Buffer}} PEM, and the hash that WebTransport pins
 */
export function selfSigned() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const algorithm = der(SEQUENCE, oid(OID_ECDSA_SHA256))
  const name = der(SEQUENCE, der(0x31, der(SEQUENCE, oid(OID_COMMON_NAME), der(0x0c, Buffer.from('localhost')))))
  const names = der(SEQUENCE, der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))
  const body = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    der(SEQUENCE, time(-DAY_MS), time(9 * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, der(SEQUENCE, oid(OID_SUBJECT_ALT_NAME), der(0x04, names)))),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey))
  const certificate = der(SEQUENCE, body, algorithm, signature)
  const text = certificate.toString('base64').replace(/.{64}/g, '$&\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    sha256: createHash('sha256').update(certificate).digest(),
  }
}

/** One value of the distinguished encoding rules (X.690). */
function der(tag, ...parts) {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), content])
  const size = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function oid(hex) {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function time(offsetMs) {
  const text = new Date(Date.now() + offsetMs).toISOString()
  return der(0x17, Buffer.from(`${text.slice(2, 19).replace(/\D/g, '')}Z`))
}
