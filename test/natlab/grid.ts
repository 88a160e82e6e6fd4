/**
 * One laboratory for every pair of kinds. Of each kind there are two sites: a row, whose peer dials, and a column, whose peer is dialled. Each row
 * meets each column once, so that their NATs have not heard of each other; the peers, their sockets and their mappings stay.
 */
import { CELL_KINDS, type CellResult, dial, type Measure, meet } from './cells.js'
import { type Client, Laboratory } from './laboratory.js'
import type { SiteKind } from './nat-rules.js'
import { LabPeer, LabRelay } from './participants.js'

interface Place {
  readonly peer: LabPeer
  readonly address: { readonly id: string; readonly relay: string }
  /** A column's own, so that what it passes on belongs to one cell. */
  readonly relay: LabRelay
  /** Settles when the cells that came before are over. */
  free: Promise<unknown>
}

/** How many programs start at a time: each keeps a processor busy for half a second. */
const STARTS = 2
const PARTING_MS = 3000

export class Grid {
  readonly #laboratory: Laboratory
  readonly #rows = new Map<SiteKind, Place>()
  readonly #columns = new Map<SiteKind, Place>()

  private constructor(laboratory: Laboratory) {
    this.#laboratory = laboratory
  }

  static async start(kinds: readonly SiteKind[] = CELL_KINDS): Promise<Grid> {
    const sites = kinds.flatMap((kind, i) => [[`a${i}`, kind] as const, [`b${i}`, kind] as const])
    const laboratory = await Laboratory.start({ sites: Object.fromEntries(sites) })
    const grid = new Grid(laboratory)
    try {
      const first = await LabRelay.start(laboratory, 0)
      await LabRelay.start(laboratory, 1)
      const starts = kinds.flatMap((kind, i) => [
        async () => grid.#rows.set(kind, await startPlace(laboratory, `ca${i}`, first)),
        async () =>
          grid.#columns.set(kind, await startPlace(laboratory, `cb${i}`, await LabRelay.start(laboratory, i + 2))),
      ])
      const worker = async () => {
        for (let start = starts.shift(); start !== undefined; start = starts.shift()) await start()
      }
      await Promise.all(Array.from({ length: STARTS }, worker))
      return grid
    } catch (error) {
      await laboratory.end()
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
  }
}

async function startPlace(laboratory: Laboratory, host: Client, relay: LabRelay): Promise<Place> {
  const peer = new LabPeer(laboratory, host, { relays: [relay.url] })
  return { peer, relay, address: await peer.ready(), free: Promise.resolve() }
}

function placeOf(places: ReadonlyMap<SiteKind, Place>, kind: SiteKind): Place {
  const place = places.get(kind)
  if (place === undefined) throw new TypeError(`the grid has no ${kind}`)
  return place
}

/** Ends their connection on both sides, if there is one. */
async function part(dialler: LabPeer, listener: LabPeer): Promise<void> {
  const parted = listener.until(({ type }) => type === 'closed', PARTING_MS, 'closed')
  await Promise.allSettled([dialler.ask('close', 'closed', {}, PARTING_MS), parted])
}
