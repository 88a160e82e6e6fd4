import tls from 'node:tls'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g

/** The certificates of a PEM text, in DER. */
export function certificatesOf(pem: string): Uint8Array[] {
  return [...pem.matchAll(CERTIFICATE)].map(([, base64 = '']) => Buffer.from(base64, 'base64'))
}

/** What Node's own TLS clients trust, in DER: with `NODE_EXTRA_CA_CERTS` where Node tells of them (22.15). */
export function defaultTrustAnchors(): Uint8Array[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] }
  return (getCACertificates?.('default') ?? [...tls.rootCertificates]).flatMap(certificatesOf)
}
