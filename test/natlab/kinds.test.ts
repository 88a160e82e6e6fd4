// time limit: 240 s
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { laboratoryMissing } from './hosts.js'
import { Laboratory } from './laboratory.js'
import type { SiteKind } from './nat-rules.js'
import type { Finding } from './rfc5780.js'

const skip = laboratoryMissing()
const PROBE = fileURLToPath(new URL('rfc5780.js', import.meta.url))

const EIM = 'endpoint-independent'
const ADM = 'address-dependent'
const APDM = 'address-and-port-dependent'

/** Mapping and filtering (RFC 4787), then whether ports are preserved, sequential, and of how many addresses at least. */
const CLAIMS: readonly (readonly [SiteKind, Finding['mapping'], Finding['filtering'], Partial<Finding>])[] = [
  ['none', EIM, EIM, { preservesPorts: true }],
  ['fullcone', EIM, EIM, { preservesPorts: false }],
  ['adf', EIM, ADM, { preservesPorts: false }],
  ['portrestricted', EIM, APDM, { preservesPorts: false }],
  ['linux', EIM, APDM, { preservesPorts: true }],
  ['linuxopen', EIM, APDM, { preservesPorts: true }],
  ['symadm', ADM, APDM, { preservesPorts: false, addresses: 1 }],
  ['symmetric', APDM, APDM, { preservesPorts: false, sequential: false, addresses: 1 }],
  ['symseq', APDM, APDM, { preservesPorts: false, sequential: true }],
  ['sympool', APDM, APDM, { preservesPorts: false, sequential: false }],
  ['udpblock', 'blocked', 'blocked', { addresses: 0 }],
  ['portrestricted/fullcone', EIM, APDM, { preservesPorts: false }],
  ['linux/symmetric', APDM, APDM, { preservesPorts: false, sequential: false }],
]

async function finding(kind: SiteKind): Promise<Finding> {
  await using laboratory = await Laboratory.start({ sites: { a: kind, b: 'none' }, impairment: { delayMs: 1 } })
  const reflector = laboratory.hosts.spawn('srv', [process.execPath, PROBE, 'serve'])
  await new Promise<void>((resolve) => reflector.onLine(() => resolve()))
  return JSON.parse(await laboratory.hosts.in('ca', [process.execPath, PROBE, 'probe'])) as Finding
}

describe('kinds of NAT', { skip, concurrency: 4 }, () => {
  for (const [kind, mapping, filtering, rest] of CLAIMS) {
    test(`a laboratory's ${kind} maps and filters as it should`, { timeout: 120_000 }, async () => {
      const found = await finding(kind)
      assert.deepEqual({ ...found, mapping, filtering, ...rest }, found)
    })
  }
})
