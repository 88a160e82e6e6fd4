/**
 * The room's messages in one order for everybody: by Lamport's clock, then by author (Lamport, "Time, Clocks, and the Ordering of Events
 * in a Distributed System", 1978). Bounded; each message is in it once.
 */
import { keyOf, type Message } from './frames.js'
import { HISTORY_LENGTH, MAX_CLOCK_STEP, TIMELINE_LENGTH } from './limits.js'

export interface Entry extends Message {
  readonly key: string
  /** The author's id. */
  readonly author: string
  /** The author's name when the message was written. */
  readonly name: string
  /** Whether the author sent it to us; else another member told it, and we have only that member's word. */
  readonly direct: boolean
}

const before = (a: Entry, b: Entry): boolean => {
  if (a.clock !== b.clock) return a.clock < b.clock
  if (a.author !== b.author) return a.author < b.author
  return a.seq < b.seq
}

export class Timeline {
  readonly #entries: Entry[] = []
  readonly #byKey = new Map<string, Entry>()
  #clock = 0

  /** In order, the oldest first. */
  get entries(): readonly Entry[] {
    return this.#entries
  }

  find(key: string): Entry | undefined {
    return this.#byKey.get(key)
  }

  /** The clock of a message that is written now. */
  tick(): number {
    this.#clock += 1
    return this.#clock
  }

  /**
   * Takes a message in. What the author itself says replaces what another member said in its name.
   *
   * @returns the entry and its place, or `undefined` when it is known, too old to be kept, or far ahead of every clock.
   */
  add(author: string, name: string, message: Message, direct: boolean): { entry: Entry; index: number } | undefined {
    if (message.clock > this.#clock + MAX_CLOCK_STEP) return undefined
    const key = keyOf(author, message.seq)
    const known = this.#byKey.get(key)
    if (known !== undefined && (known.direct || !direct)) return undefined
    const entry: Entry = { ...message, key, author, name, direct }
    const [oldest] = this.#entries
    if (this.#entries.length >= TIMELINE_LENGTH && oldest !== undefined && before(entry, oldest)) return undefined
    if (known !== undefined) this.#entries.splice(this.#entries.indexOf(known), 1)
    this.#clock = Math.max(this.#clock, message.clock)
    const index = this.#place(entry)
    this.#entries.splice(index, 0, entry)
    this.#byKey.set(key, entry)
    if (this.#entries.length > TIMELINE_LENGTH) {
      const forgotten = this.#entries.shift()
      if (forgotten !== undefined) this.#byKey.delete(forgotten.key)
      return { entry, index: index - 1 }
    }
    return { entry, index }
  }

  /** The latest messages, those aside that the other side has. */
  history(have: readonly string[] = []): readonly Entry[] {
    const known = new Set(have)
    return this.#entries.slice(-HISTORY_LENGTH).filter(({ key }) => !known.has(key))
  }

  /** Mostly the end: new messages come last. */
  #place(entry: Entry): number {
    let index = this.#entries.length
    for (
      let last = this.#entries[index - 1];
      last !== undefined && before(entry, last);
      last = this.#entries[index - 1]
    ) {
      index -= 1
    }
    return index
  }
}
