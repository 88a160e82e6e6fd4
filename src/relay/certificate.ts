import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createError } from '../errors/index.js'

/** A certificate chain and its key, in the form that a core takes. */
export interface CertifiedKey {
  /** X.509 in DER (RFC 5280), the server's own certificate first. */
  readonly certificateChain: readonly Uint8Array[]
  /** PKCS #8 in DER (RFC 5958): ECDSA on P-256 or P-384, Ed25519, or RSA of 2,048 to 4,096 bits. */
  readonly privateKey: Uint8Array
}

/** What a certificate of one's own is made for. */
export interface SelfSignedOptions {
  /** DNS names and IP addresses. @default localhost, 127.0.0.1 and ::1 */
  readonly names?: readonly string[]
  /** From a day before now, in days; browsers that pin a hash take at most 14. @default 10 */
  readonly days?: number
}

/** A certificate that vouches for itself. */
export interface SelfSigned extends CertifiedKey {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

const DAY_MS = 86_400_000
const OID_COMMON_NAME = '550403'
const OID_SUBJECT_ALT_NAME = '551d11'
const OID_ECDSA_SHA256 = '2a8648ce3d040302'

/** Tags of the distinguished encoding rules (X.690). */
const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  dnsName: 0x82,
  ipAddress: 0x87,
  version: 0xa0,
  extensions: 0xa3,
} as const

/**
 * Makes a self-signed certificate on P-256, for tests and for servers whose clients pin it or trust it by name.
 *
 * @throws AnypathError `InvalidConfig` without names, or with one that is not ASCII.
 */
export function selfSignedCertificate(options: SelfSignedOptions = {}): SelfSigned {
  const { names = ['localhost', '127.0.0.1', '::1'], days = 10 } = options
  const [first] = names
  if (first === undefined) throw createError('InvalidConfig', 'names: a certificate needs one')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const algorithm = der(TAG.sequence, oid(OID_ECDSA_SHA256))
  const name = der(
    TAG.sequence,
    der(TAG.set, der(TAG.sequence, oid(OID_COMMON_NAME), der(TAG.utf8, Buffer.from(first)))),
  )
  const alternatives = der(TAG.octetString, der(TAG.sequence, ...names.map(alternativeName)))
  const body = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Buffer.from([2]))),
    // Positive, and of the size that RFC 5280 section 4.1.2.2 allows.
    der(TAG.integer, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    name,
    der(TAG.sequence, utcTime(Date.now() - DAY_MS), utcTime(Date.now() + (days - 1) * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(TAG.extensions, der(TAG.sequence, der(TAG.sequence, oid(OID_SUBJECT_ALT_NAME), alternatives))),
  )
  const signature = der(TAG.bitString, Buffer.from([0]), sign('sha256', body, privateKey))
  const certificate = new X509Certificate(der(TAG.sequence, body, algorithm, signature))
  return {
    certificateChain: [certificate.raw],
    privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }),
    certificatePem: certificate.toString(),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/**
 * Reads a chain and a key from PEM, as certificate authorities hand them out. The key may be in any form that Node reads.
 *
 * @throws AnypathError `InvalidConfig` when there is no certificate, when one is malformed, or when the key is not that of the first.
 */
export function certifiedKeyFromPem(chainPem: string, keyPem: string): CertifiedKey {
  const blocks = chainPem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  const chain = blocks.map((block) => attempt('the certificate is malformed', () => new X509Certificate(block)))
  const [own] = chain
  if (own === undefined) throw createError('InvalidConfig', 'there is no certificate in the PEM text')
  // The cause of what follows is not kept: it may quote the key.
  const key = attempt('the private key is malformed, or encrypted', () => createPrivateKey(keyPem))
  if (!own.checkPrivateKey(key)) throw createError('InvalidConfig', "the private key is not the certificate's")
  return { certificateChain: chain.map(({ raw }) => raw), privateKey: pkcs8(key) }
}

function pkcs8(key: KeyObject): Uint8Array {
  return key.export({ type: 'pkcs8', format: 'der' })
}

function attempt<Result>(message: string, make: () => Result): Result {
  try {
    return make()
  } catch {
    throw createError('InvalidConfig', message)
  }
}

function alternativeName(name: string): Buffer {
  if (isIP(name) !== 0) return der(TAG.ipAddress, ipBytes(name))
  if (!/^[\x21-\x7e]+$/.test(name))
    throw createError('InvalidConfig', 'names: each is a DNS name in ASCII or an IP address')
  return der(TAG.dnsName, Buffer.from(name))
}

function ipBytes(text: string): Buffer {
  if (isIP(text) === 4) return Buffer.from(text.split('.').map(Number))
  // The URL parser writes an IPv6 address in its one canonical form.
  const [head = '', tail] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::')
  const groups = (part: string | undefined): string[] => (part ? part.split(':') : [])
  const [before, after] = [groups(head), groups(tail)]
  const zeros: string[] = Array(8 - before.length - after.length).fill('0')
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content])
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function oid(hex: string): Buffer {
  return der(TAG.oid, Buffer.from(hex, 'hex'))
}

/** Good until 2049 (RFC 5280 section 4.1.2.5). */
function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, '')
  return der(TAG.utcTime, Buffer.from(`${digits.slice(2, 14)}Z`))
}
