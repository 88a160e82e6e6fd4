import type { SocketAddress } from './address.js'
import type { ByteReader } from './bytes.js'
import { isRelay } from './relay.js'

/** A browser wants a session. */
export interface SessionRequestRecord {
  readonly carrier: number
  readonly address: SocketAddress
  readonly authority: string
  readonly path: string
  readonly origin: string
}

/** A certificate that browsers are shown. */
export interface CertificateRecord {
  readonly sha256: Uint8Array<ArrayBuffer>
  /** When it is shown, milliseconds since 1970. */
  readonly fromMs: number
  readonly untilMs: number
}

/** Reads the certificates that browsers are shown. */
export function readCertificates(reader: ByteReader): CertificateRecord[] {
  const certificates: CertificateRecord[] = []
  while (reader.remaining > 0)
    certificates.push({ sha256: reader.bytes(32), fromMs: reader.f64(), untilMs: reader.f64() })
  return certificates
}

/** Sessions of browsers that are carriers have ids from here on, up to those of relays. */
const FIRST_SESSION = 0x6000_0000

/** Whether a carrier's id is that of a session which a browser has opened. */
export function isSession(carrier: number): boolean {
  return carrier >= FIRST_SESSION && !isRelay(carrier)
}
