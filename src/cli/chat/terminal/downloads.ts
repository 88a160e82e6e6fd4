/** Fetches the files that others offer into a folder, a few at a time. */
import { formatBytes } from '../../format.js'
import type { Output } from '../../output.js'
import { printable } from '../../transfer/paths.js'
import type { FileBody } from '../frames.js'
import type { Room } from '../room.js'
import type { Entry } from '../timeline.js'
import { SavedFile } from './save.js'

const AT_ONCE = 2
/** Offers that wait; further ones are left. */
const MAX_WAITING = 100

export class Downloads {
  readonly #room: Room
  readonly #output: Output
  readonly #folder: string
  readonly #signal: AbortSignal
  readonly #waiting: (Entry & { readonly body: FileBody })[] = []
  #running = 0

  constructor(room: Room, output: Output, folder: string, signal: AbortSignal) {
    this.#room = room
    this.#output = output
    this.#folder = folder
    this.#signal = signal
  }

  /** Takes an offer that somebody here just made. */
  take(entry: Entry): void {
    const { body } = entry
    if (body.type !== 'file' || entry.author === this.#room.id || !entry.direct) return
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push({ ...entry, body })
    this.#next()
  }

  #next(): void {
    while (this.#running < AT_ONCE) {
      const entry = this.#waiting.shift()
      if (entry === undefined || this.#signal.aborted) return
      this.#running += 1
      void this.#fetch(entry).finally(() => {
        this.#running -= 1
        this.#next()
      })
    }
  }

  async #fetch({ key, author, seq, body }: Entry & { readonly body: FileBody }): Promise<void> {
    let file: SavedFile | undefined
    try {
      file = await SavedFile.begin(this.#folder, body.name, `${author.slice(0, 16)}-${seq}`)
      await this.#room.fetch(key, file, { signal: this.#signal })
      const path = await file.finish()
      this.#output.event('file', { key, path, sizeBytes: body.sizeBytes })
      this.#output.note(`* saved ${printable(path)}, ${formatBytes(body.sizeBytes)}`)
    } catch (error) {
      await file?.discard()
      if (this.#signal.aborted) return
      const message = error instanceof Error ? error.message : String(error)
      this.#output.event('file', { key, failure: message })
      this.#output.warn(`${printable(body.name)}: ${printable(message)}`)
    }
  }
}
