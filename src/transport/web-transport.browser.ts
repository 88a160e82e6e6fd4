import { type WebTransportLike, WebTransportSessions } from './web-transport.js'

/** Opens sessions in a page: by the browser, and over TCP by what is loaded for it. A page that came by `https:` may not do so without TLS. */
export function browserWebTransport(): WebTransportSessions {
  return new WebTransportSessions(
    async (url, hashes) => {
      if (url[0] === 'w') return (await import('./over-tcp.js')).openOverTcp(url)
      const serverCertificateHashes = hashes.map((value) => ({ algorithm: 'sha-256', value }))
      return new WebTransport(url, { serverCertificateHashes }) as unknown as WebTransportLike
    },
    (name) => (name === undefined ? typeof WebTransport !== 'undefined' : !!name || location.protocol !== 'https:'),
  )
}
