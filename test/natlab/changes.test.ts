// time limit: 900 s
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { CHANGES, type Change, type ChangeResult, changesTable, runChange } from './changes.js'
import { laboratoryMissing } from './hosts.js'

const skip = laboratoryMissing()

/** A machine that is busy with other tests may run a change once more; it is told, as each gap is. */
const TRIES = 2
/** How soon the end of an interface is noticed, where nothing is sent that would show it. */
const NOTICED_WITHIN_MS = 2000

/** What is not as it should be; the gap is told, and no promise. */
function shortfall(change: Change, { fault, states, noticedMs }: ChangeResult): string | undefined {
  if (fault !== undefined) return fault
  const lasting = change.relayed === true ? ['relayed', 'traversing'] : ['direct']
  if (!states.every((state) => lasting.includes(state))) return `at the end ${states.join(' and ')}`
  const isLate =
    change.cellular !== undefined && change.quietMs !== undefined && !(Number(noticedMs) <= NOTICED_WITHIN_MS)
  return isLate ? `noticed after ${noticedMs} ms` : undefined
}

describe('what an application notices when the network changes', { skip, concurrency: 2 }, () => {
  const results: ChangeResult[] = []
  after(() => console.log(changesTable(results)))
  for (const change of CHANGES) {
    test(`${change.name}: ${change.sites.join(' dials ')}`, { timeout: 240_000 }, async () => {
      for (let tries = 1; ; tries++) {
        const result = await runChange(change)
        const missing = shortfall(change, result)
        if (missing !== undefined && tries < TRIES) {
          console.log(`${change.name}, again: ${missing}`)
          continue
        }
        results.push(result)
        assert.equal(missing, undefined, result.story)
        return
      }
    })
  }
})
