// time limit: 240 s
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { directAt, startPair } from './cells.js'
import { laboratoryMissing } from './hosts.js'
import type { Client, Laboratory } from './laboratory.js'
import type { SiteKind } from './nat-rules.js'
import type { LabPeer } from './participants.js'

const skip = laboratoryMissing()

const TRANSFER_BYTES = 1_000_000
const HEADERS_BYTES = 20 + 8

/** Counts every UDP packet that leaves or reaches a host by its link, whatever socket it belongs to. */
const COUNTERS = `table inet counted {
  chain out { type filter hook output priority 0; oifname "eth0" meta l4proto udp counter; }
  chain in { type filter hook input priority 0; iifname "eth0" meta l4proto udp counter; }
}
`

interface Traffic {
  readonly sent: number
  readonly bytesSent: number
  readonly received: number
  readonly bytesReceived: number
}

/** What the kernel has counted. */
async function counted({ hosts }: Laboratory, host: Client): Promise<Traffic> {
  const rules = await hosts.in(host, ['nft', 'list', 'table', 'inet', 'counted'])
  const of = (chain: string): [number, number] => {
    const [, packets, bytes] = new RegExp(`chain ${chain} [^}]*packets (\\d+) bytes (\\d+)`).exec(rules) ?? []
    return [Number(packets), Number(bytes) - Number(packets) * HEADERS_BYTES]
  }
  const [[sent, bytesSent], [received, bytesReceived]] = [of('out'), of('in')]
  return { sent, bytesSent, received, bytesReceived }
}

/** What a peer says of itself, once the kernel counts nothing more. */
async function agreed(laboratory: Laboratory, host: Client, peer: LabPeer): Promise<[Traffic, Traffic]> {
  for (let before = await counted(laboratory, host); ; ) {
    await sleep(1000)
    const { peer: figures } = await peer.ask('report', 'report', {}, 5000)
    const after = await counted(laboratory, host)
    if (JSON.stringify(after) === JSON.stringify(before)) {
      const { datagramsSent, bytesSent, datagramsReceived, bytesReceived } = figures as Record<string, number>
      return [{ sent: datagramsSent, bytesSent, received: datagramsReceived, bytesReceived } as Traffic, after]
    }
    before = after
  }
}

describe('a peer’s own figures and the kernel’s', { skip, concurrency: 2 }, () => {
  for (const sites of [
    ['portrestricted', 'linux'],
    ['symmetric', 'portrestricted'],
  ] as const satisfies (readonly [SiteKind, SiteKind])[]) {
    test(`are the same when ${sites.join(' dials ')}`, { timeout: 120_000 }, async () => {
      const clients = ['ca', 'cb'] as const
      await using pair = await startPair(sites, {
        prepare: async ({ hosts }) => {
          for (const client of clients) await hosts.in(client, ['nft', '-f', '-'], COUNTERS)
        },
      })
      const { dialler, listener, laboratory } = pair
      await pair.connect()
      await Promise.all([dialler, listener].map((peer) => directAt(peer, 20_000)))
      const transfer = await dialler.ask('transfer', 'transferred', { bytes: TRANSFER_BYTES }, 60_000)
      assert.equal(transfer.isWhole, true)
      await dialler.ask('close', 'closed', {}, 10_000)
      for (const [i, peer] of [dialler, listener].entries()) {
        const [own, kernels] = await agreed(laboratory, clients[i] as Client, peer)
        assert.deepEqual(own, kernels)
        assert.ok((i === 0 ? own.bytesSent : own.bytesReceived) > TRANSFER_BYTES, JSON.stringify(own))
      }
    })
  }
})
