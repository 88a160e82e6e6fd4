// time limit: 600 s
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { directAt } from './cells.js'
import { FORWARDED_FROM, gatewayMissing, LabGateway, type Protocol } from './gateway.js'
import { laboratoryMissing } from './hosts.js'
import { Laboratory } from './laboratory.js'
import { LabPeer, LabRelay } from './participants.js'

const skip = laboratoryMissing() || gatewayMissing()

const TRANSFER_BYTES = 2_000_000
/** The relay's path is kept open with a few packets. */
const STANDSTILL_BYTES = 16_384

interface Mapped {
  readonly protocol?: string
  readonly external?: { readonly host: string; readonly port: number }
  readonly failure?: string
  readonly obtained: number
}

/** Peer A behind a NAT that gives each destination a random port, whose router forwards ports; peer B behind one that lets nobody else in. */
async function startPair(
  protocols: readonly Protocol[],
  { igdVersion = 2, relay: hasRelay = true }: { igdVersion?: 1 | 2; relay?: boolean } = {},
) {
  const laboratory = await Laboratory.start({ sites: { a: 'symmetric', b: 'portrestricted' } })
  try {
    const gateway = await LabGateway.start(laboratory, protocols, igdVersion)
    const relay = await LabRelay.start(laboratory, 0)
    const relays = hasRelay ? { relays: [relay.url] } : {}
    const mapped = new LabPeer(laboratory, 'ca', { ...relays, portMapping: true })
    const other = new LabPeer(laboratory, 'cb', { ...relays, portMapping: false })
    const end = async () => {
      await gateway.end()
      await laboratory.end()
    }
    const dial = async (from: LabPeer, to: LabPeer) => {
      const { id, relay: home } = await to.ready()
      await from.ready()
      return from.ask('connect', 'connected', { id, relays: [home] }, 35_000)
    }
    return { gateway, relay, mapped, other, dial, [Symbol.asyncDispose]: end }
  } catch (error) {
    await laboratory.end()
    throw error
  }
}

/** What a peer's figures say of port mapping, once that is so. */
async function mappingOf(peer: LabPeer, isSo: (mapping: Mapped) => boolean, withinMs: number): Promise<Mapped> {
  for (const deadline = performance.now() + withinMs; ; ) {
    const { peer: figures } = await peer.ask('report', 'report', {}, 5000)
    const { portMapping } = figures as { portMapping: Mapped }
    if (isSo(portMapping)) return portMapping
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${JSON.stringify(portMapping)}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

describe('port mapping by a real router', { skip, concurrency: 3 }, () => {
  for (const protocol of ['pcp', 'nat-pmp', 'upnp'] as const) {
    for (const dialler of ['the peer that has it', 'the other peer']) {
      test(`${protocol} makes a symmetric NAT passable when ${dialler} dials`, { timeout: 120_000 }, async () => {
        // Behind a device of the first version the port is the client's to choose.
        await using pair = await startPair([protocol], { igdVersion: dialler === 'the other peer' ? 1 : 2 })
        const { gateway, relay, mapped, other } = pair
        await mapped.ready()
        const mapping = await mappingOf(mapped, ({ external }) => external !== undefined, 20_000)
        assert.deepEqual([mapping.protocol, mapping.external?.host], [protocol, FORWARDED_FROM])
        assert.equal((await gateway.forwarded()).length, 1)
        const [from, to] = dialler === 'the other peer' ? [other, mapped] : [mapped, other]
        await pair.dial(from, to)
        await Promise.all([directAt(from, 10_000), directAt(to, 10_000)])
        const before = await relay.bytesSent()
        const transfer = await from.ask('transfer', 'transferred', { bytes: TRANSFER_BYTES }, 60_000)
        assert.equal(transfer.isWhole, true)
        const relayed = (await relay.bytesSent()) - before
        assert.ok(relayed < STANDSTILL_BYTES, `${relayed} bytes over the relay`)
        await mapped.ask('end', 'ended', {}, 10_000)
        assert.deepEqual(await gateway.forwarded(), [])
      })
    }

    test(`a ticket leads through ${protocol} where there is no relay`, { timeout: 120_000 }, async () => {
      await using pair = await startPair([protocol], { relay: false })
      const { mapped, other } = pair
      const { id } = await mapped.ready()
      await mappingOf(mapped, ({ external }) => external !== undefined, 20_000)
      const { addresses } = await mapped.ask('ticket', 'ticket', {}, 5000)
      await other.ready()
      await other.ask('connect', 'connected', { id, addresses }, 35_000)
      const transfer = await other.ask('transfer', 'transferred', { bytes: TRANSFER_BYTES }, 60_000)
      assert.equal(transfer.isWhole, true)
    })

    test(`a restart of the router is noticed by ${protocol} within two minutes`, { timeout: 240_000 }, async () => {
      await using pair = await startPair([protocol])
      const { gateway, mapped } = pair
      await mapped.ready()
      await mappingOf(mapped, ({ external }) => external !== undefined, 20_000)
      await gateway.restart()
      assert.deepEqual(await gateway.forwarded(), [])
      const begin = performance.now()
      while ((await gateway.forwarded()).length === 0) {
        assert.ok(performance.now() - begin < 120_000, 'not noticed')
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      await mapped.ask('end', 'ended', {}, 10_000)
      assert.deepEqual(await gateway.forwarded(), [])
    })
  }
})
