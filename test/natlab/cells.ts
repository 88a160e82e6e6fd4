/** What becomes of a connection between two sites: over the relay at once, and directly if their NATs let it. */
import { Laboratory, type LaboratoryOptions } from './laboratory.js'
import type { SiteKind } from './nat-rules.js'
import { LabPeer, LabRelay, type Told } from './participants.js'

/**
 * What a direct path between two kinds takes: `D` mappings told to each other, `R` an answer to where a packet really came from,
 * `P` a prediction of the next ports, `B` many sockets against many ports, `x` cannot be had.
 */
export type CellClass = 'D' | 'R' | 'P' | 'B' | 'x'

const GROUPS = [
  'open',
  'adf',
  'restricted',
  'linuxopen',
  'symmetric',
  'symseq',
  'carrier',
  'carrier-symmetric',
] as const

const KINDS: readonly (readonly [SiteKind, (typeof GROUPS)[number]])[] = [
  ['none', 'open'],
  ['fullcone', 'open'],
  ['adf', 'adf'],
  ['portrestricted', 'restricted'],
  ['linux', 'restricted'],
  ['linuxopen', 'linuxopen'],
  ['symadm', 'symmetric'],
  ['symmetric', 'symmetric'],
  ['symseq', 'symseq'],
  ['portrestricted/fullcone', 'carrier'],
  ['linux/symmetric', 'carrier-symmetric'],
]

/** A row and a column for each group. Linux NATs that take strangers' packets fail only where one side writes much earlier. */
const CLASSES: Readonly<Record<(typeof GROUPS)[number], string>> = {
  open: 'DDDRRRDR',
  adf: 'DDDRRRDR',
  restricted: 'DDDDBPDB',
  linuxopen: 'RRDDxPDx',
  symmetric: 'RRBxxxBx',
  symseq: 'RRPPxPPx',
  carrier: 'DDDDBPDB',
  'carrier-symmetric': 'RRBxxxBx',
}

/** Every kind of site in the matrix. */
export const CELL_KINDS: readonly SiteKind[] = [...KINDS.map(([kind]) => kind), 'udpblock']

export function cellClass(a: SiteKind, b: SiteKind): CellClass {
  const groupOf = (site: SiteKind) => KINDS.find(([kind]) => kind === site)?.[1]
  const [row, column] = [groupOf(a), groupOf(b)]
  if (row === undefined || column === undefined) return 'x'
  return CLASSES[row].charAt(GROUPS.indexOf(column)) as CellClass
}

/** How soon a cell of a class has to be direct, milliseconds; `undefined` where it never is. */
export const DIRECT_WITHIN_MS: Readonly<Record<CellClass, number | undefined>> = {
  D: 5000,
  R: 5000,
  P: 5000,
  B: 15_000,
  x: undefined,
}

export const CONNECT_WITHIN_MS = 2000

/** What one run of a cell was like; times count from the dial. */
export interface CellResult {
  readonly dialler: SiteKind
  readonly listener: SiteKind
  /** Time until the first byte had come back, milliseconds. */
  readonly firstByteMs: number
  /** Time until both sides told that they are direct. */
  readonly directMs: number | undefined
  /** Bytes that the relay passed on while the transfer ran. */
  readonly relayedBytes: number
  readonly transferMs: number
  /** Why this is not what the class promises. */
  readonly fault: string | undefined
  /** What both sides told of paths and states. */
  readonly story: string
}

const TRANSFER_BYTES = 10_000_000
const RELAYED_TRANSFER_BYTES = 1_000_000
/** Where the relay stands by, its path is kept open with a few packets. */
const STANDSTILL_BYTES = 16_384
/** How long a pair that cannot be direct is watched. */
const STAY_MS = 3000
const TRANSFER_LIMIT_MS = 60_000

export interface Pair {
  readonly laboratory: Laboratory
  /** The second only gives a second address for STUN, and a relay to turn to. */
  readonly relays: readonly [LabRelay, LabRelay]
  readonly dialler: LabPeer
  readonly listener: LabPeer
  /** Dials over the first relay. */
  connect(): Promise<Told>
}

/**
 * Two peers that know the relay, behind NATs of these kinds.
 *
 * @param known how many of the two relays they know
 */
export async function startPair(options: LaboratoryOptions, known: 1 | 2 = 1): Promise<Pair & AsyncDisposable> {
  const laboratory = await Laboratory.start(options)
  try {
    const relays = await Promise.all([LabRelay.start(laboratory, 0), LabRelay.start(laboratory, 1)] as const)
    const urls = relays.slice(0, known).map(({ url }) => url)
    const dialler = new LabPeer(laboratory, 'ca', { relays: urls })
    const listener = new LabPeer(laboratory, 'cb', { relays: urls })
    const [, { id, relay }] = await Promise.all([dialler.ready(), listener.ready()])
    const connect = () => dialler.ask('connect', 'connected', { id, relays: [relay] }, 35_000)
    return { laboratory, relays, dialler, listener, connect, [Symbol.asyncDispose]: () => laboratory.end() }
  } catch (error) {
    await laboratory.end()
    throw error
  }
}

/** When a peer was direct first, milliseconds since 1970. */
export async function directAt(peer: LabPeer, withinMs: number): Promise<number> {
  const { atMs } = await peer.until(
    (told) => told.to === 'direct' || (told.type !== 'report' && told.state === 'direct'),
    withinMs,
    'direct',
  )
  return atMs
}

/** @param patience by how much the deadlines are lengthened */
export async function runCell(dialler: SiteKind, listener: SiteKind, patience = 1): Promise<CellResult> {
  await using pair = await startPair({ a: dialler, b: listener })
  const faults: string[] = []
  const measured = await measure(pair, cellClass(dialler, listener), patience, faults).catch((error: Error) => {
    faults.push(error.message)
    return { firstByteMs: Number.NaN, directMs: undefined, relayedBytes: Number.NaN, transferMs: Number.NaN }
  })
  return {
    dialler,
    listener,
    ...measured,
    fault: faults.length === 0 ? undefined : faults.join('; '),
    story: `${pair.dialler.summary()}\n${pair.listener.summary()}`,
  }
}

type Measured = Pick<CellResult, 'firstByteMs' | 'directMs' | 'relayedBytes' | 'transferMs'>

async function measure(pair: Pair, expected: CellClass, patience: number, faults: string[]): Promise<Measured> {
  const begin = performance.timeOrigin + performance.now()
  const firstByteMs = Number((await pair.connect()).firstByteMs)
  if (firstByteMs > CONNECT_WITHIN_MS * patience) faults.push(`the first byte took ${firstByteMs.toFixed(0)} ms`)

  const goal = DIRECT_WITHIN_MS[expected]
  const limit = goal === undefined ? undefined : goal * patience
  // Whoever is late is still told apart from whoever never is.
  const waitMs = limit === undefined ? STAY_MS : limit * 1.5
  const directMs = await Promise.all([directAt(pair.dialler, waitMs), directAt(pair.listener, waitMs)]).then(
    (times) => Math.max(...times) - begin,
    () => undefined,
  )
  if (limit !== undefined && (directMs === undefined || directMs > limit))
    faults.push(directMs === undefined ? `not direct within ${waitMs} ms` : `direct after ${directMs.toFixed(0)} ms`)

  const isDirect = directMs !== undefined
  const before = await pair.relays[0].bytesSent()
  const bytes = isDirect ? TRANSFER_BYTES : RELAYED_TRANSFER_BYTES
  const transfer = await pair.dialler.ask('transfer', 'transferred', { bytes }, TRANSFER_LIMIT_MS * patience)
  const relayedBytes = (await pair.relays[0].bytesSent()) - before
  if (transfer.isWhole !== true) faults.push('the remote got other bytes than were sent')
  if (isDirect && relayedBytes > STANDSTILL_BYTES) faults.push(`${relayedBytes} bytes went over the relay while direct`)
  return { firstByteMs, directMs, relayedBytes, transferMs: Number(transfer.ms) }
}
