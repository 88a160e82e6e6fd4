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

/** A STUN message (RFC 8489 section 5) of this type, by what follows the UDP header. */
const stun = (type: string) => `@th,64,16 ${type} @th,96,32 0x2112a442`

/** A probe of the birthday scheme, by its length with the UDP header and its first byte. */
const PROBE = 'udp length 58 @th,64,8 0x0b'

/** QUIC's probes: they are small, and what answers them is not (RFC 9000 section 8.2.2). */
const SMALL = 'udp length < 200 @th,96,32 != 0x2112a442'

/**
 * Counts every UDP packet that leaves or reaches a host by its link, whatever socket it belongs to; apart, STUN's binding requests and answers, and
 * probes of the birthday scheme.
 */
const COUNTERS = `table inet counted {
  chain out { type filter hook output priority 0; oifname "eth0" meta l4proto udp counter; }
  chain in { type filter hook input priority 0; iifname "eth0" meta l4proto udp counter; }
  chain requests { type filter hook output priority 1; oifname "eth0" meta l4proto udp ${stun('0x0001')} counter; }
  chain answers { type filter hook input priority 1; iifname "eth0" meta l4proto udp ${stun('0x0101')} counter; }
  chain probing { type filter hook output priority 2; oifname "eth0" meta l4proto udp ${PROBE} counter; }
  chain probed { type filter hook input priority 2; iifname "eth0" meta l4proto udp ${PROBE} counter; }
  chain small { type filter hook output priority 3; oifname "eth0" meta l4proto udp ${SMALL} counter; }
}
`

interface Traffic {
  readonly sent: number
  readonly bytesSent: number
  readonly received: number
  readonly bytesReceived: number
  readonly stunRequests: number
  readonly stunAnswers: number
  readonly probesSent: number
  readonly probesReceived: number
}

/** What a table's chain has counted. */
async function packets({ hosts }: Laboratory, host: Client, chain: string): Promise<number> {
  const rules = await hosts.in(host, ['nft', 'list', 'chain', 'inet', 'counted', chain])
  return Number(/packets (\d+)/.exec(rules)?.[1])
}

/** What the kernel has counted. */
async function counted({ hosts }: Laboratory, host: Client): Promise<Traffic> {
  const rules = await hosts.in(host, ['nft', 'list', 'table', 'inet', 'counted'])
  const of = (chain: string): [number, number] => {
    const [, packets, bytes] = new RegExp(`chain ${chain} [^}]*packets (\\d+) bytes (\\d+)`).exec(rules) ?? []
    return [Number(packets), Number(bytes) - Number(packets) * HEADERS_BYTES]
  }
  const [[sent, bytesSent], [received, bytesReceived]] = [of('out'), of('in')]
  const [[stunRequests], [stunAnswers]] = [of('requests'), of('answers')]
  const [[probesSent], [probesReceived]] = [of('probing'), of('probed')]
  return { sent, bytesSent, received, bytesReceived, stunRequests, stunAnswers, probesSent, probesReceived }
}

/** What a peer says of itself, once the kernel counts nothing more. */
async function agreed(laboratory: Laboratory, host: Client, peer: LabPeer): Promise<[Traffic, Traffic]> {
  for (let before = await counted(laboratory, host); ; ) {
    await sleep(1000)
    const { peer: own } = await peer.ask('report', 'report', {}, 5000)
    const figures = own as Readonly<Record<string, unknown>>
    const after = await counted(laboratory, host)
    if (JSON.stringify(after) === JSON.stringify(before)) {
      const of = (name: string) => Number(figures[name])
      return [
        {
          sent: of('datagramsSent'),
          bytesSent: of('bytesSent'),
          received: of('datagramsReceived'),
          bytesReceived: of('bytesReceived'),
          stunRequests: of('stunRequestsSent'),
          stunAnswers: of('stunRequestsAnswered'),
          probesSent: of('birthdayProbesSent'),
          probesReceived: of('birthdayProbesReceived') + of('birthdayProbesLate'),
        },
        after,
      ]
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
        assert.ok(own.stunAnswers > 0, 'no STUN server has answered')
        assert.equal(own.probesSent > 0, sites[0] === 'symmetric')
      }
    })
  }

  test('are the same for QUIC’s probes, where nothing else is sent', { timeout: 120_000 }, async () => {
    const clients = ['ca', 'cb'] as const
    await using pair = await startPair(['symmetric', 'symmetric'], {
      prepare: async ({ hosts }) => {
        for (const client of clients) await hosts.in(client, ['nft', '-f', '-'], COUNTERS)
      },
    })
    await pair.connect()
    await sleep(7_000)
    for (const [i, peer] of [pair.dialler, pair.listener].entries()) {
      const kernels = await packets(pair.laboratory, clients[i] as Client, 'small')
      const { peer: own } = await peer.ask('report', 'report', {}, 5000)
      const { probesSent, birthdayProbesSent } = own as Readonly<Record<string, unknown>>
      assert.equal(birthdayProbesSent, 0)
      assert.ok(kernels > 0, 'there were none')
      assert.equal(probesSent, kernels)
    }
  })
})
