/** The files that this member offers, and those who are fetching them. */
import { type ChatConnection, type ChatStream, StreamCode } from './connection.js'
import { type FileSource, type NewSha256, readRequest, refuse, sendFile } from './files.js'
import { MAX_UPLOADS_PER_MEMBER } from './limits.js'

/** A file on its way to one member. */
export interface Upload {
  /** The offer's number. */
  readonly seq: number
  /** Who fetches it. */
  readonly to: string
  readonly sentBytes: number
  readonly totalBytes: number
  readonly state: 'sending' | 'done' | 'failed'
}

/** Offers that are kept; an older file is not there any more. */
const MAX_OFFERS = 100

export class Uploads {
  readonly #newSha256: NewSha256
  readonly #onChange: (upload: Upload) => void
  readonly #offers = new Map<number, { readonly source: FileSource; readonly withdrawn: AbortController }>()
  readonly #running = new Map<string, number>()

  constructor(newSha256: NewSha256, onChange: (upload: Upload) => void) {
    this.#newSha256 = newSha256
    this.#onChange = onChange
  }

  offer(seq: number, source: FileSource): void {
    const [oldest] = this.#offers.keys()
    if (this.#offers.size >= MAX_OFFERS && oldest !== undefined) this.withdraw(oldest)
    this.#offers.set(seq, { source, withdrawn: new AbortController() })
  }

  /** Ends an offer, and those transfers of it that are under way. */
  withdraw(seq: number): void {
    this.#offers.get(seq)?.withdrawn.abort()
    this.#offers.delete(seq)
  }

  withdrawAll(): void {
    for (const seq of [...this.#offers.keys()]) this.withdraw(seq)
  }

  /** Serves a stream that a member opened. Never rejects. */
  async serve({ remoteId }: ChatConnection, stream: ChatStream): Promise<void> {
    const running = this.#running.get(remoteId) ?? 0
    if (running >= MAX_UPLOADS_PER_MEMBER) return refuse(stream, StreamCode.busy)
    this.#running.set(remoteId, running + 1)
    try {
      await this.#send(remoteId, stream)
    } catch {
      await refuse(stream, StreamCode.unreadable)
    } finally {
      const left = (this.#running.get(remoteId) ?? 1) - 1
      if (left > 0) this.#running.set(remoteId, left)
      else this.#running.delete(remoteId)
    }
  }

  async #send(to: string, stream: ChatStream): Promise<void> {
    const seq = await readRequest(stream)
    const offer = this.#offers.get(seq)
    let upload: Upload = { seq, to, sentBytes: 0, totalBytes: offer?.source.sizeBytes ?? 0, state: 'sending' }
    const told = (change: Partial<Upload>): void => {
      upload = { ...upload, ...change }
      if (offer !== undefined) this.#onChange(upload)
    }
    told({})
    try {
      await sendFile(stream, offer?.source, {
        newSha256: this.#newSha256,
        onProgress: (sentBytes) => told({ sentBytes }),
        signal: offer?.withdrawn.signal ?? new AbortController().signal,
      })
      told({ state: 'done' })
    } catch (error) {
      told({ state: 'failed' })
      throw error
    }
  }
}
