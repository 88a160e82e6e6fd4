/** What an application notices when the network changes under a connection that carries data. */
import { setTimeout as sleep } from 'node:timers/promises'
import { directAt, type Pair, startPair } from './cells.js'
import type { Laboratory, Router } from './laboratory.js'
import type { NatKind, SiteKind } from './nat-rules.js'

const SETTLE_MS = 1500
/** What was sent before has come back when the change comes. */
const QUIET_BEFORE_MS = 500
/** Time after a change in which data has to come again. */
const AFTER_MS = 8000

export interface Change {
  readonly name: string
  /** The sites, the dialler's first. */
  readonly sites: readonly [SiteKind, SiteKind]
  readonly cellular?: NatKind
  /** Whether both peers have a second relay. */
  readonly anotherRelay?: boolean
  /** Whether UDP has no part in it. */
  readonly relayed?: boolean
  /** The time in which nothing can pass, because of the change itself. */
  readonly withoutPathMs?: number
  /** For how long nothing is sent, from shortly before the change on. */
  readonly quietMs?: number
  /** How much later than otherwise the change comes. */
  readonly laterMs?: number
  /** How long the NATs' mappings live from the start. */
  readonly mappingLifetimeSeconds?: number
  readonly limits?: object
  act(pair: Pair): Promise<unknown>
}

export interface ChangeResult {
  readonly name: string
  readonly sites: readonly [SiteKind, SiteKind]
  /** The longest time without an echo, less that in which nothing could pass, milliseconds. */
  readonly gapMs: number
  /** From the change to the first event that the dialler told, milliseconds; `undefined` without any. */
  readonly noticedMs: number | undefined
  /** The states of the dialler and the listener at the end. */
  readonly states: readonly [string, string]
  readonly fault: string | undefined
  readonly story: string
}

const inLaboratory =
  (act: (laboratory: Laboratory) => Promise<unknown>) =>
  ({ laboratory }: Pair) =>
    act(laboratory)

const restartRelay = async ({ home }: Pair): Promise<void> => {
  await home.kill()
  await home.restart()
}

async function expectNoMapping(laboratory: Laboratory, router: Router): Promise<void> {
  const left = await laboratory.mappings(router)
  if (left.length > 0) throw new Error(`${router} still has mappings:\n${left.join('\n')}`)
}

/** A NAT at the dialler, and the same at the listener. */
const bothWays: readonly (readonly [SiteKind, SiteKind])[] = [
  ['portrestricted', 'none'],
  ['none', 'portrestricted'],
]

const blockedWays: readonly (readonly [SiteKind, SiteKind])[] = [
  ['udpblock', 'none'],
  ['none', 'udpblock'],
]

const sideOf = (sites: readonly [SiteKind, SiteKind]): 'a' | 'b' => (sites[0] === 'none' ? 'b' : 'a')

/** Every change, in both orders where it makes a difference. */
export const CHANGES: readonly Change[] = [
  ...bothWays.flatMap((sites): readonly Change[] => {
    const site = sideOf(sites)
    return [
      { name: 'the NAT reboots', sites, act: inLaboratory((lab) => lab.reboot(`r${site}`)) },
      { name: 'the NAT gets another address', sites, act: inLaboratory((lab) => lab.renumber(`r${site}`)) },
      {
        name: 'mappings live for 5 s from now on, and nothing is sent for 15 s',
        sites,
        quietMs: 15_000,
        act: inLaboratory((lab) => lab.setMappingLifetime(`r${site}`, 5)),
      },
      {
        // With rare keep-alives a remote that is silent for 4.5 s is asked, which renews its mapping.
        name: 'mappings live for 5 s, and end as nothing is sent for 15 s, without keep-alives',
        sites,
        quietMs: 15_000,
        laterMs: 10_000,
        mappingLifetimeSeconds: 5,
        limits: { keepAliveMs: 0 },
        act: inLaboratory((lab) => expectNoMapping(lab, `r${site}`)),
      },
      { name: 'an outage of 5 s', sites, withoutPathMs: 5000, act: inLaboratory((lab) => lab.outage(site, 5000)) },
      { name: 'an outage of 30 s', sites, withoutPathMs: 30_000, act: inLaboratory((lab) => lab.outage(site, 30_000)) },
      { name: '5 % loss', sites, act: inLaboratory((lab) => lab.impair(site, { lossPercent: 5 })) },
      { name: '12 % loss', sites, act: inLaboratory((lab) => lab.impair(site, { lossPercent: 12 })) },
    ]
  }),
  ...bothWays.map(
    (sites): Change => ({
      name: 'from Wi-Fi to cellular',
      sites,
      cellular: 'symmetric',
      act: inLaboratory((lab) => lab.handover('cell')),
    }),
  ),
  ...bothWays.map(
    (sites): Change => ({
      // Only the interfaces tell: keep-alives are rare.
      name: 'from Wi-Fi to cellular, while nothing is sent',
      sites,
      cellular: 'symmetric',
      quietMs: 4000,
      limits: { keepAliveMs: 30_000, idleTimeoutMs: 60_000 },
      act: inLaboratory((lab) => lab.handover('cell')),
    }),
  ),
  {
    name: 'from Wi-Fi to cellular and back',
    sites: ['portrestricted', 'none'],
    cellular: 'symmetric',
    act: inLaboratory(async (lab) => {
      await lab.handover('cell')
      await sleep(5000)
      await lab.handover('wifi')
    }),
  },
  {
    name: 'the relay restarts under a direct path',
    sites: ['portrestricted', 'none'],
    act: restartRelay,
  },
  {
    name: 'the relay restarts under a relayed path',
    sites: ['udpblock', 'none'],
    relayed: true,
    act: restartRelay,
  },
  ...blockedWays.map(
    (sites): Change => ({
      name: 'the relay is lost, and another is at hand',
      sites,
      relayed: true,
      anotherRelay: true,
      act: ({ home }) => home.kill(),
    }),
  ),
]

export async function runChange(change: Change): Promise<ChangeResult> {
  const { cellular, quietMs = 0, limits, mappingLifetimeSeconds } = change
  const known = change.anotherRelay === true ? 2 : 1
  await using pair = await startPair(change.sites, {
    known,
    ...(cellular && { cellular, roaming: sideOf(change.sites) }),
    ...(mappingLifetimeSeconds && { mappingLifetimeSeconds }),
    ...(limits && { peer: { limits } }),
  })
  const { dialler, listener } = pair
  let gapMs = Number.NaN
  let changedAt = Number.POSITIVE_INFINITY
  const fault = await (async () => {
    if (cellular !== undefined) await pair.laboratory.handover('both')
    await pair.connect()
    if (change.relayed !== true) await Promise.all([dialler, listener].map((peer) => directAt(peer, 15_000)))
    await sleep(SETTLE_MS)
    const aloneMs = quietMs + (change.withoutPathMs ?? 0)
    const forMs = SETTLE_MS + aloneMs + AFTER_MS
    const quiet = { fromMs: SETTLE_MS - QUIET_BEFORE_MS, forMs: quietMs }
    const flow = dialler.ask('flow', 'flowed', { forMs, ...(quietMs > 0 && { quiet }) }, forMs + 60_000)
    // Until it is waited for, a flow that ends badly is nobody's.
    flow.catch(() => {})
    await sleep(SETTLE_MS + (change.laterMs ?? 0))
    changedAt = performance.timeOrigin + performance.now()
    await change.act(pair)
    const flowed = await flow
    gapMs = Number(flowed.gapMs) - aloneMs
    return flowed.isWhole === true ? undefined : 'other bytes came back than were sent'
  })().catch((error: Error) => error.message)
  const told = dialler.told.find(({ type, atMs }) => ['path', 'state'].includes(type) && atMs > changedAt)
  return {
    name: change.name,
    sites: change.sites,
    gapMs,
    noticedMs: told === undefined ? undefined : told.atMs - changedAt,
    states: [dialler.state, listener.state],
    fault,
    story: `${dialler.summary()}\n${listener.summary()}`,
  }
}

export function changesTable(results: readonly ChangeResult[]): string {
  const rows = results.map(({ name, sites, gapMs, noticedMs, states, fault }) => {
    const cells = [
      name,
      sites.join(' dials '),
      `${gapMs.toFixed(0)} ms`,
      noticedMs === undefined ? '' : `${noticedMs.toFixed(0)} ms`,
      states.join(', '),
    ]
    return `| ${cells.join(' | ')} | ${fault === undefined ? '' : '**lost**'} |`
  })
  return ['| change | sites | gap | noticed after | states at the end | |', '|---|---|---|---|---|---|', ...rows].join(
    '\n',
  )
}
