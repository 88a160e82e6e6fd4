/** Stock iroh endpoints in a laboratory, and what they need to find out how their NAT maps them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { selfSignedCertificate } from '../../src/relay/certificate.js'
import { stockPeers } from '../interop/stock-peers.js'
import { type Client, type Laboratory, SERVERS } from './laboratory.js'
import { type CertificateFiles, type LabRelay, Participant } from './participants.js'

/** What `peer.mjs` speaks. */
const ALPN = 'natlab/1'

/** A certificate for the relays' addresses: stock iroh learns its mapping only from a relay that it trusts. */
export class RelayCertificate implements Disposable {
  readonly files: CertificateFiles
  /** The same certificate in DER, as `iroh-peer` takes it. */
  readonly trusted: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'anypath-natlab-'))

  constructor() {
    const { certificatePem, privateKeyPem, certificateChain } = selfSignedCertificate({ names: SERVERS })
    const write = (name: string, content: string | Uint8Array) => {
      const file = join(this.#folder, name)
      writeFileSync(file, content)
      return file
    }
    this.files = { certificate: write('relay.crt', certificatePem), key: write('relay.key', privateKeyPem) }
    this.trusted = write('relay.der', certificateChain[0] ?? new Uint8Array())
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A stock iroh endpoint that knows one relay, which has this certificate. */
export class LabIroh extends Participant {
  constructor(laboratory: Laboratory, host: Client, relay: LabRelay, { trusted }: RelayCertificate) {
    if (stockPeers === undefined) throw new Error('no stock peers')
    const program = laboratory.hosts.spawn(host, [
      stockPeers.irohPeer,
      ...['interactive', '--alpn', ALPN, '--bind', '0.0.0.0:0'],
      ...['--relay', relay.url, '--qad-port', String(relay.qadPort), '--trust', trusted],
    ])
    super(program, host)
  }
}
