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
  /** A column's own, so that what it passes on belongs to one cell. */
  readonly relay: LabRelay
  /** Settles when the cells that came before are over. */
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
  }: GridOptions = {}): Promise<Grid> {
    const sites = [
      ...rowKinds.map((kind, i) => [`a${i}`, kind] as const),
      ...columnKinds.map((kind, i) => [`b${i}`, kind] as const),
    ]
    const laboratory = await Laboratory.start({ sites: Object.fromEntries(sites) })
    const certificate = rows === 'iroh' || columns === 'iroh' ? new RelayCertificate() : undefined
    const grid = new Grid(laboratory, certificate)
    try {
      const relay = (number: number) => LabRelay.start(laboratory, number, certificate?.files)
      const first = await relay(0)
      await relay(1)
      const starts = [
        ...rowKinds.map((kind, i) => async () => grid.#rows.set(kind, await grid.#place(rows, `ca${i}`, first))),
        ...columnKinds.map(
          (kind, i) => async () => grid.#columns.set(kind, await grid.#place(columns, `cb${i}`, await relay(i + 2))),
        ),
      ]
      const worker = async () => {
        for (let start = starts.shift(); start !== undefined; start = starts.shift()) await start()
      }
      await Promise.all(Array.from({ length: STARTS }, worker))
      return grid
    } catch (error) {
      await grid.end()
      throw error
    }
  }

  /** Has a row and a column meet once both are free, and part again. */
  async run(dialler: SiteKind, listener: SiteKind, how: Measure = {}): Promise<CellResult> {
    const [row, column] = [placeOf(this.#rows, dialler), placeOf(this.#columns, listener)]
    const result = Promise.all([row.free, column.free]).then(async () => {
      for (const { peer } of [row, column]) peer.begin()
      const connect = () => dial(row.peer, column.address)
      const meeting = { relay: column.relay, dialler: row.peer, listener: column.peer, connect }
      const cell = await meet(meeting, dialler, listener, how)
      await part(row.peer, column.peer)
      return cell
    })
    row.free = column.free = result.catch(() => {})
    return result
  }

  async end(): Promise<void> {
    await this.#laboratory.end()
    this.#certificate?.[Symbol.dispose]()
  }

  async #place(implementation: Implementation, host: Client, relay: LabRelay): Promise<Place> {
    const peer =
      implementation === 'iroh' && this.#certificate !== undefined
        ? new LabIroh(this.#laboratory, host, relay, this.#certificate)
        : new LabPeer(this.#laboratory, host, { relays: [relay.url] })
    return { peer, relay, address: await peer.ready(), free: Promise.resolve() }
  }
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
