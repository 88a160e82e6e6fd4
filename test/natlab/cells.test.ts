// time limit: 480 s
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { laboratoryMissing } from './hosts.js'
import { runTried } from './matrix.js'
import type { SiteKind } from './nat-rules.js'

const skip = laboratoryMissing()

/** How many laboratories there are at a time: with more, two cores make peers wait for their turn longer than for the network. */
const LABORATORIES = 2

type Pairs = readonly (readonly [SiteKind, SiteKind])[]

const bothOrders = (kind: SiteKind, others: readonly SiteKind[]): Pairs =>
  others.flatMap((other) =>
    other === kind ? [[kind, kind] as const] : [[kind, other] as const, [other, kind] as const],
  )

const RELAYED = bothOrders('udpblock', ['udpblock', 'none', 'linux', 'symmetric', 'portrestricted/fullcone'])
const DIRECT = bothOrders('none', ['none', 'fullcone', 'adf', 'portrestricted', 'linux', 'linuxopen'])
const TRANSLATED: Pairs = [
  ...bothOrders('portrestricted', ['linux', 'symseq', 'portrestricted/fullcone']),
  ...bothOrders('adf', ['symmetric', 'symadm']),
]

for (const [title, pairs] of [
  ['pairs where UDP is blocked stay on the relay', RELAYED],
  ['pairs of which one is reachable become direct', DIRECT],
  ['pairs of which both are behind NATs become direct', TRANSLATED],
] as const) {
  describe(title, { skip, concurrency: LABORATORIES }, () => {
    for (const [dialler, listener] of pairs) {
      test(`${dialler} dials ${listener}`, { timeout: 240_000 }, async () => {
        const { runs } = await runTried(dialler, listener)
        const last = runs.at(-1)
        assert.equal(last?.fault, undefined, `${last?.fault}\n${last?.story}`)
      })
    }
  })
}
