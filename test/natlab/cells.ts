/** What becomes of a connection between two sites: over the relay at once, and directly if their NATs let it. */
import { Laboratory, type LaboratoryOptions } from './laboratory.js'
import type { SiteKind } from './nat-rules.js'
import { LabPeer, LabRelay, type Participant, type Told } from './participants.js'

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

/** How soon a cell of a class has to be direct, milliseconds; `undefined` where it stays on the relay. */
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

const RELAYED_TRANSFER_BYTES = 1_000_000
/** Where the relay stands by, its path is kept open with a few packets. */
const STANDSTILL_BYTES = 16_384
/** How long a pair that cannot be direct is watched. */
const STAY_MS = 3000
const TRANSFER_LIMIT_MS = 60_000

/** What is sent over a direct path, by default. */
export const TRANSFER_BYTES = 10_000_000

/** Two peers behind NATs that have not met. */
export interface Meeting {
  /** Over which they can meet. */
  readonly relay: LabRelay
  readonly dialler: Participant
  readonly listener: Participant
  /** Dials over the relay. */
  connect(): Promise<Told>
}

export interface Pair extends Meeting {
  readonly dialler: LabPeer
  readonly listener: LabPeer
  readonly laboratory: Laboratory
  /** Gives a second address for STUN, and a relay to turn to. */
  readonly secondRelay: LabRelay
  /** The one of them at which the listener is, and over which it is dialled. */
  readonly home: LabRelay
}

export interface PairOptions extends Omit<LaboratoryOptions, 'sites'> {
  /** How many of the two relays the peers know. @default 1 */
  readonly known?: 1 | 2
  /** Options of both peers, as for `Peer.create`. */
  readonly peer?: object
  /** Called before the peers start. */
  prepare?(laboratory: Laboratory): Promise<void>
}

/** Two peers that know the relay, behind NATs of these kinds. */
export async function startPair(
  [a, b]: readonly [SiteKind, SiteKind],
  { known = 1, peer = {}, prepare, ...options }: PairOptions = {},
): Promise<Pair & AsyncDisposable> {
  const laboratory = await Laboratory.start({ ...options, sites: { a, b } })
  try {
    const [relay, secondRelay] = await Promise.all([LabRelay.start(laboratory, 0), LabRelay.start(laboratory, 1)])
    const urls = [relay.url, secondRelay.url].slice(0, known)
    await prepare?.(laboratory)
    const dialler = new LabPeer(laboratory, 'ca', { relays: urls, ...peer })
    const listener = new LabPeer(laboratory, 'cb', { relays: urls, ...peer })
    const [, address] = await Promise.all([dialler.ready(), listener.ready()])
    const connect = () => dial(dialler, address)
    const end = () => laboratory.end()
    const home = address.relay.startsWith(relay.url) ? relay : secondRelay
    return { laboratory, relay, secondRelay, home, dialler, listener, connect, [Symbol.asyncDispose]: end }
  } catch (error) {
    await laboratory.end()
    throw error
  }
}

export async function dial(dialler: Participant, { id, relay }: { id: string; relay: string }): Promise<Told> {
  return dialler.ask('connect', 'connected', { id, relays: [relay] }, 35_000)
}

/** When a peer was direct first, milliseconds since 1970. */
export async function directAt(peer: Participant, withinMs: number): Promise<number> {
  const { atMs } = await peer.until(
    (told) => told.to === 'direct' || (told.type !== 'report' && told.state === 'direct'),
    withinMs,
    'direct',
  )
  return atMs
}

export interface Measure {
  /** By how much the deadlines are lengthened. @default 1 */
  readonly patience?: number
  /** What is sent over a direct path. @default 10 MB */
  readonly transferBytes?: number
  /** What the kinds promise. @default that of anypath's own peers */
  readonly expected?: CellClass
  /** How long a pair that need not be direct is watched. @default 3 s */
  readonly watchMs?: number
}

/** Runs a cell in a laboratory of its own. */
export async function runCell(dialler: SiteKind, listener: SiteKind, how: Measure = {}): Promise<CellResult> {
  await using pair = await startPair([dialler, listener])
  // Not returned as it is: the laboratory would end first.
  const result = await meet(pair, dialler, listener, how)
  return result
}

/** Has two peers meet, and tells how far that is as their cell promises. */
export async function meet(
  meeting: Meeting,
  dialler: SiteKind,
  listener: SiteKind,
  how: Measure = {},
): Promise<CellResult> {
  const faults: string[] = []
  const expected = how.expected ?? cellClass(dialler, listener)
  const measured = await measure(meeting, expected, how, faults).catch((error: Error) => {
    faults.push(error.message)
    return { firstByteMs: Number.NaN, directMs: undefined, relayedBytes: Number.NaN, transferMs: Number.NaN }
  })
  return {
    dialler,
    listener,
    ...measured,
    fault: faults.length === 0 ? undefined : faults.join('; '),
    story: `${meeting.dialler.summary()}\n${meeting.listener.summary()}`,
  }
}

type Measured = Pick<CellResult, 'firstByteMs' | 'directMs' | 'relayedBytes' | 'transferMs'>

async function measure(
  { connect, dialler, listener, relay }: Meeting,
  expected: CellClass,
  { patience = 1, transferBytes = TRANSFER_BYTES, watchMs = STAY_MS }: Measure,
  faults: string[],
): Promise<Measured> {
  const begin = performance.timeOrigin + performance.now()
  const firstByteMs = Number((await connect()).firstByteMs)
  if (firstByteMs > CONNECT_WITHIN_MS * patience) faults.push(`the first byte took ${firstByteMs.toFixed(0)} ms`)

  const goal = DIRECT_WITHIN_MS[expected]
  const limit = goal === undefined ? undefined : goal * patience
  // Whoever is late is still told apart from whoever never is.
  const waitMs = limit === undefined ? watchMs : limit * 1.5
  const directMs = await Promise.all([directAt(dialler, waitMs), directAt(listener, waitMs)]).then(
    (times) => Math.max(...times) - begin,
    () => undefined,
  )
  if (limit !== undefined && (directMs === undefined || directMs > limit))
    faults.push(directMs === undefined ? `not direct within ${waitMs} ms` : `direct after ${directMs.toFixed(0)} ms`)

  const isDirect = directMs !== undefined
  const before = await relay.bytesSent()
  const bytes = isDirect ? transferBytes : Math.min(transferBytes, RELAYED_TRANSFER_BYTES)
  const transfer = await dialler.ask('transfer', 'transferred', { bytes }, TRANSFER_LIMIT_MS * patience)
  const relayedBytes = (await relay.bytesSent()) - before
  if (transfer.isWhole !== true) faults.push('the remote got other bytes than were sent')
  if (isDirect && relayedBytes > STANDSTILL_BYTES) faults.push(`${relayedBytes} bytes went over the relay while direct`)
  const states = [dialler.state, listener.state]
  // A pair that nothing was promised may come to a direct path by luck, and late.
  const lasting = isDirect ? ['direct'] : ['relayed', 'traversing', 'direct']
  if (!states.every((state) => lasting.includes(state))) faults.push(`at the end ${states.join(' and ')}`)
  return { firstByteMs, directMs, relayedBytes, transferMs: Number(transfer.ms) }
}
