import type { WebTransportSession } from './session.js'

/** What a page names in `serverCertificateHashes` (W3C `WebTransportHash`), and when it is true. */
export interface CertificateHash {
  readonly algorithm: 'sha-256'
  /** SHA-256 of the certificate, 32 bytes. */
  readonly value: Uint8Array<ArrayBuffer>
  /** From when on the certificate is shown. */
  readonly shownFrom: Date
  /** Until when. */
  readonly shownUntil: Date
}

/** Sessions that were accepted, for one consumer. Bounded by `limits.incomingBacklog`; ends when the peer is closed. */
export interface WebTransportSessions extends AsyncIterable<WebTransportSession> {
  /**
   * What a page has to know to open a session: the hash of the certificate of now, and of the one that takes its place. They depend on nothing
   * but the secret key and the date, so they stay true for 12 days at least, through restarts.
   *
   * ```ts
   * new WebTransport(`https://${host}:${port}/`, { serverCertificateHashes: await peer.webTransportSessions.certificateHashes() })
   * ```
   *
   * @throws InvalidConfigError when the peer does not listen for browsers.
   */
  certificateHashes(): Promise<CertificateHash[]>
}
