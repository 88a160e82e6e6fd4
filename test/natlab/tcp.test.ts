// time limit: 120 s
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { directAt, startPair } from './cells.js'
import { laboratoryMissing } from './hosts.js'
import type { Told } from './participants.js'

/** The kinds of the paths in a report over which something has come, that in use first; one over TCP says so. */
function kindsOf({ connection }: Told): string[] {
  const { paths } = connection as { paths: { kind: string; tcp?: true; status: string; bytesReceived: number }[] }
  // Those to the listener's public addresses by UDP are still being tried.
  const heard = paths.filter(({ bytesReceived }) => bytesReceived > 0)
  return heard
    .toSorted((a, b) => a.status.localeCompare(b.status))
    .map(({ kind, tcp }) => (tcp ? `${kind} over TCP` : kind))
}

describe('a peer on a network that blocks UDP', { skip: laboratoryMissing() }, () => {
  test('reaches one that listens on TCP directly, and not over the relay', { timeout: 100_000 }, async () => {
    const peer = { webTransport: { tcp: { port: 443 } } }
    await using pair = await startPair(['udpblock', 'none'], { peer })
    const { dialler, listener } = pair
    const [{ id }, { text: ticket }] = [await listener.ready(), await listener.ask('ticket', 'ticket', {}, 10_000)]
    await dialler.ready()
    const { atMs, firstByteMs } = await dialler.ask('connect', 'connected', { id, ticket }, 20_000)
    const [near, far] = await Promise.all([directAt(dialler, 15_000), directAt(listener, 15_000)])
    const since = (time: number) => (time - atMs + Number(firstByteMs)).toFixed(0)
    console.log(`# direct ${since(near)} and ${since(far)} ms after the dial`)
    const { isWhole } = await dialler.ask('transfer', 'transferred', { bytes: 8 << 20 }, 60_000)
    assert.equal(isWhole, true)
    for (const end of [dialler, listener])
      assert.deepEqual(kindsOf(await end.ask('report', 'report', {}, 5000)), ['webtransport over TCP', 'relay'])
  })
})
