/**
 * One laboratory for every pair of kinds. Of each kind there are two sites: a row, whose peer dials, and a column, whose peer is dialled. Each row
 * meets each column once, so that their NATs have not heard of each other; the peers, their sockets and their mappings stay.
 */
import { CELL_KINDS, type CellResult, dial, type Measure, meet } from './cells.js'
import { type Client, Laboratory } from './laboratory.js'
import type { SiteKind } from './nat-rules.js'
import { LabPeer, LabRelay, type Participant } from './participants.js'
import { LabIroh, RelayCertificate } from './stock-iroh.js'

/** Whose peer it is. */
export type Implementation = 'anypath' | 'iroh'

interface Place {
  readonly peer: Participant
  readonly address: { readonly id: string; readonly relay: string }
  readonly home: Home
  /** Settles when the cells that came before are over. */
  free: Promise<unknown>
}

/** A relay. One cell at a time goes over it, so that what it passes on belongs to that. */
interface Home {
  readonly relay: LabRelay
  free: Promise<unknown>
}

export interface GridOptions {
  /** The kinds of the rows, and of the columns. @default every kind of the matrix */
  readonly rowKinds?: readonly SiteKind[]
  readonly columnKinds?: readonly SiteKind[]
  /** Who dials. @default anypath */
  readonly rows?: Implementation
  /** Who is dialled. @default anypath */
  readonly columns?: Implementation
  /** Whether columns dial rows as well, of other cells: each row then has the relay of a column. */
  readonly bothWays?: boolean
}

/** How many programs start at a time: each keeps a processor busy for half a second. */
const STARTS = 2
const PARTING_MS = 3000

/** Both orders of all pairs, so that neighbours have no site in common. */
export const scheduled = (kinds: readonly SiteKind[]): readonly (readonly [SiteKind, SiteKind])[] =>
  kinds.flatMap((_, shift) =>
    kinds.map((dialler, i) => [dialler, kinds[(i + shift) % kinds.length] ?? dialler] as const),
  )

export class Grid {
  readonly #laboratory: Laboratory
  readonly #certificate: RelayCertificate | undefined
  readonly #rows = new Map<SiteKind, Place>()
  readonly #columns = new Map<SiteKind, Place>()

  private constructor(laboratory: Laboratory, certificate: RelayCertificate | undefined) {
    this.#laboratory = laboratory
    this.#certificate = certificate
  }

  static async start({
    rowKinds = CELL_KINDS,
    columnKinds = CELL_KINDS,
    rows = 'anypath',
    columns = 'anypath',
    bothWays = false,
  }: GridOptions = {}): Promise<Grid> {
    const sites = [
      ...rowKinds.map((kind, i) => [`a${i}`, kind] as const),
      ...columnKinds.map((kind, i) => [`b${i}`, kind] as const),
    ]
    const laboratory = await Laboratory.start({ sites: Object.fromEntries(sites) })
    const certificate = rows === 'iroh' || columns === 'iroh' ? new RelayCertificate() : undefined
    const grid = new Grid(laboratory, certificate)
    try {
      const home = async (number: number): Promise<Home> => ({
        relay: await LabRelay.start(laboratory, number, { certificate: certificate?.files }),
        free: Promise.resolve(),
      })
      const shared = await home(0)
      await home(1)
      const homes = columnKinds.map(() => shared)
      const starts = columnKinds.map((kind, i) => async () => {
        homes[i] = await home(i + 2)
        grid.#columns.set(kind, await grid.#place(columns, `cb${i}`, homes[i]))
      })
      await inTurns(starts)
      const rowHome = (i: number) => (bothWays ? homes[i % homes.length] : undefined) ?? shared
      await inTurns(
        rowKinds.map((kind, i) => async () => grid.#rows.set(kind, await grid.#place(rows, `ca${i}`, rowHome(i)))),
      )
      return grid
    } catch (error) {
      await grid.end()
      throw error
    }
  }

  /** Has a row dial a column once both are free, and part again. */
  async run(dialler: SiteKind, listener: SiteKind, how: Measure = {}): Promise<CellResult> {
    return meetOnce(dialler, placeOf(this.#rows, dialler), listener, placeOf(this.#columns, listener), how)
  }

  /** Has a column dial a row. They must not have met: their NATs would know. */
  async runBack(dialler: SiteKind, listener: SiteKind, how: Measure = {}): Promise<CellResult> {
    return meetOnce(dialler, placeOf(this.#columns, dialler), listener, placeOf(this.#rows, listener), how)
  }

  async end(): Promise<void> {
    await this.#laboratory.end()
    this.#certificate?.[Symbol.dispose]()
  }

  async #place(implementation: Implementation, host: Client, home: Home): Promise<Place> {
    const { relay } = home
    const peer =
      implementation === 'iroh' && this.#certificate !== undefined
        ? new LabIroh(this.#laboratory, host, relay, this.#certificate)
        : new LabPeer(this.#laboratory, host, { relays: [relay.url] })
    return { peer, home, address: await peer.ready(), free: Promise.resolve() }
  }
}

/** Runs these, a few at a time. */
async function inTurns(tasks: readonly (() => Promise<unknown>)[]): Promise<void> {
  const queue = [...tasks]
  const worker = async () => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) await task()
  }
  await Promise.all(Array.from({ length: STARTS }, worker))
}

async function meetOnce(
  dialler: SiteKind,
  from: Place,
  listener: SiteKind,
  to: Place,
  how: Measure,
): Promise<CellResult> {
  const result = Promise.all([from.free, to.free, to.home.free]).then(async () => {
    for (const { peer } of [from, to]) peer.begin()
    const connect = () => dial(from.peer, to.address)
    const meeting = { relay: to.home.relay, dialler: from.peer, listener: to.peer, connect }
    const cell = await meet(meeting, dialler, listener, how)
    await part(from.peer, to.peer)
    return cell
  })
  from.free = to.free = to.home.free = result.catch(() => {})
  return result
}

function placeOf(places: ReadonlyMap<SiteKind, Place>, kind: SiteKind): Place {
  const place = places.get(kind)
  if (place === undefined) throw new TypeError(`the grid has no ${kind}`)
  return place
}

/** Ends their connection on both sides, if there is one. */
async function part(dialler: Participant, listener: Participant): Promise<void> {
  const parted = listener.until(({ type }) => type === 'closed', PARTING_MS, 'closed')
  await Promise.allSettled([dialler.ask('close', 'closed', {}, PARTING_MS), parted])
}
