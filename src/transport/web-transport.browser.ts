import { type WebTransportLike, WebTransportSessions } from './web-transport.js'

/** Opens sessions in a browser that can. */
export function browserWebTransport(): WebTransportSessions | undefined {
  if (typeof WebTransport === 'undefined') return undefined
  return new WebTransportSessions((url, hashes) => {
    const serverCertificateHashes = hashes.map((value) => ({ algorithm: 'sha-256', value }))
    return new WebTransport(url, { serverCertificateHashes }) as unknown as WebTransportLike
  })
}
