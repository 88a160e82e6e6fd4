// A page's side of the suite of direct paths, with a plain session to the same listener.
import { offerTwoWay } from '/two-way.js'

offerTwoWay(async ({ url, hashes }) => {
  const serverCertificateHashes = hashes.map((hash) => ({ algorithm: 'sha-256', value: new Uint8Array(hash) }))
  const transport = new WebTransport(url, { serverCertificateHashes })
  await transport.ready
  return transport
})
