// time limit: 300 s
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Diagnosis, NatReport, RemoteVerdict } from '../../src/index.js'
import { laboratoryMissing } from './hosts.js'
import { Laboratory, root, SERVERS } from './laboratory.js'
import type { SiteKind } from './nat-rules.js'
import { LabPeer, LabRelay } from './participants.js'
import { RelayCertificate } from './stock-iroh.js'

const skip = laboratoryMissing()
const REFLECTOR = fileURLToPath(new URL('rfc5780.js', import.meta.url))
const COMMAND = join(root, 'dist', 'cli', 'anypath.mjs')

const EIM = { mapping: 'endpoint-independent' } as const
const ADM = { mapping: 'address-dependent' } as const
const APDM = { mapping: 'address-and-port-dependent' } as const
const EIF = { filtering: 'endpoint-independent' } as const
const ADF = { filtering: 'address-dependent' } as const
const APDF = { filtering: 'address-and-port-dependent' } as const

/** What has to be said of each kind, and what becomes of a remote behind a symmetric NAT with random ports. */
const CLAIMS: readonly (readonly [SiteKind, Partial<NatReport>, RemoteVerdict['outcome']])[] = [
  ['none', { kind: 'none', translated: false, ...EIM, ...EIF, ports: 'preserved' }, 'direct'],
  ['fullcone', { kind: 'full-cone', translated: true, ...EIM, ...EIF, ports: 'random' }, 'direct'],
  ['adf', { kind: 'address-restricted', ...EIM, ...ADF, ports: 'random', movedByStrangers: false }, 'direct'],
  ['portrestricted', { kind: 'port-restricted', ...EIM, ...APDF, ports: 'random' }, 'many-ports'],
  ['linux', { kind: 'port-restricted', ...EIM, ...APDF, ports: 'preserved', movedByStrangers: false }, 'many-ports'],
  ['linuxopen', { kind: 'port-restricted', ...EIM, ...APDF, movedByStrangers: true }, 'many-ports'],
  ['symadm', { kind: 'symmetric', ...ADM, ...APDF, ports: 'random' }, 'relayed'],
  ['symmetric', { kind: 'symmetric', ...APDM, ...APDF, ports: 'random' }, 'relayed'],
  ['symseq', { kind: 'symmetric', ...APDM, ...APDF, ports: 'sequential', stride: 1 }, 'relayed'],
  ['sympool', { kind: 'symmetric', ...APDM, ...APDF, ports: 'random' }, 'relayed'],
  ['portrestricted/fullcone', { kind: 'port-restricted', ...EIM, ...APDF, ports: 'random' }, 'many-ports'],
  ['linux/symmetric', { kind: 'symmetric', ...APDM, ...APDF, ports: 'random' }, 'relayed'],
]

/** What the command prints on a host behind a router of that kind, with a relay and a server by RFC 5780 outside. */
async function diagnosed(kind: SiteKind, hairpin = false): Promise<Diagnosis> {
  await using laboratory = await Laboratory.start({ sites: { a: kind, b: 'none' }, hairpin })
  const reflector = laboratory.hosts.spawn('srv', [process.execPath, REFLECTOR, 'serve'])
  await new Promise<void>((resolve) => reflector.onLine(() => resolve()))
  const { url } = await LabRelay.start(laboratory, 0)
  const flags = ['--relay', url, '--stun', `${SERVERS[0]}:19302`, '--json']
  const printed = await laboratory.hosts.in('ca', [process.execPath, COMMAND, 'diagnose', ...flags])
  return diagnosisIn(printed)
}

function diagnosisIn(printed: string): Diagnosis {
  const line = printed.split('\n').find((text) => text.includes('"event":"diagnosis"'))
  return JSON.parse(line ?? '{}') as Diagnosis
}

describe('anypath diagnose', { skip, concurrency: 2 }, () => {
  for (const [kind, claim, symmetricRemote] of CLAIMS) {
    test(`behind ${kind} it says how that maps and filters, and who becomes direct`, { timeout: 120_000 }, async () => {
      const { udp, ipv4, relays, remotes, stunServers, elapsedMs } = await diagnosed(kind)
      assert.equal(udp, 'works')
      assert.deepEqual({ ...ipv4, ...claim }, ipv4)
      assert.deepEqual(
        relays.map(({ connected, home }) => [connected, home]),
        [[true, true]],
      )
      assert.equal(remotes.find(({ remote }) => remote === 'symmetric')?.outcome, symmetricRemote)
      // On a busy machine every request may have to be sent again, and then there is none.
      for (const { rttMs } of stunServers)
        assert.ok(rttMs === undefined || rttMs >= 50, `a round trip of ${rttMs} ms over links of 25 ms each way`)
      assert.ok(elapsedMs < 10_000, `it took ${elapsedMs} ms`)
      // A pool has several, of which the first requests need not have seen all.
      if (kind !== 'sympool') assert.equal(ipv4?.addresses.length, 1)
    })
  }

  for (const kind of ['fullcone', 'portrestricted'] as const) {
    for (const hairpin of [true, false]) {
      const what = hairpin ? 'hairpins' : 'does not hairpin'
      test(`it tells that a NAT (${kind}) ${what}`, { timeout: 120_000 }, async () => {
        const { ipv4 } = await diagnosed(kind, hairpin)
        assert.equal(ipv4?.hairpin, hairpin)
      })
    }
  }

  for (const kind of ['linux', 'symmetric'] as const) {
    test(`behind ${kind} it finds out for how long mappings live`, { timeout: 120_000 }, async () => {
      await using laboratory = await Laboratory.start({ sites: { a: kind, b: 'none' }, mappingLifetimeSeconds: 5 })
      const { url } = await LabRelay.start(laboratory, 0)
      const flags = ['--relay', url, '--lifetime', '8s', '--json']
      const printed = await laboratory.hosts.in('ca', [process.execPath, COMMAND, 'diagnose', ...flags])
      assert.deepEqual(diagnosisIn(printed).ipv4?.lifetime, { atLeastMs: 4000, belowMs: 6000 })
    })
  }

  for (const [kind, name, mapping] of [
    ['linux', 'cone', 'endpoint-independent'],
    ['symmetric', 'symmetric', 'dependent'],
  ] as const) {
    test(`behind ${kind}, with relays that tell addresses by QUIC alone, it says how that maps`, {
      timeout: 120_000,
    }, async () => {
      await using laboratory = await Laboratory.start({ sites: { a: kind, b: 'none' } })
      using certificate = new RelayCertificate()
      const services = { certificate: certificate.files, stun: false }
      const relays = [await LabRelay.start(laboratory, 0, services), await LabRelay.start(laboratory, 1, services)]
      const ca = readFileSync(certificate.files.certificate, 'utf8')
      const peer = new LabPeer(laboratory, 'ca', {
        relays: relays.map(({ url }) => ({ url, ca })),
        stunServers: undefined,
        warm: false,
      })
      await peer.ready()
      const told = await peer.ask('diagnose', 'diagnosis', {}, 20_000)
      const { udp, ipv4, stunServers, addressDiscovery, findings } = told as unknown as Diagnosis
      assert.deepEqual([udp, stunServers], ['works', []])
      assert.deepEqual([...addressDiscovery].map(({ host }) => host).sort(), [...SERVERS].sort())
      assert.deepEqual([ipv4?.kind, ipv4?.mapping, ipv4?.filtering, ipv4?.translated], [name, mapping, 'unknown', true])
      assert.ok(findings.some(({ code }) => code === 'no-stun-server'))
    })
  }

  test('behind a firewall for UDP it says so, and that everything is relayed', { timeout: 120_000 }, async () => {
    const { udp, ipv4, findings, remotes } = await diagnosed('udpblock')
    assert.equal(udp, 'blocked')
    assert.equal(ipv4, undefined)
    assert.ok(findings.some(({ code }) => code === 'udp-blocked'))
    assert.deepEqual([...new Set(remotes.map(({ outcome }) => outcome))], ['relayed'])
  })
})
