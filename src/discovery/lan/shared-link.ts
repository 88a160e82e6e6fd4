import type { Link } from './link.js'

/** One link for all who need it: open while somebody does, so that nothing listens for nobody. */
export class SharedLink {
  readonly #open: () => Promise<Link>
  readonly #left: () => void
  #users = 0
  #opening: Promise<Link> | undefined
  #closing: Promise<void> = Promise.resolve()
  #link: Link | undefined

  /** @param left told when the last user has gone. */
  constructor(open: () => Promise<Link>, left: () => void) {
    this.#open = open
    this.#left = left
  }

  /** The link, while it is open. */
  get current(): Link | undefined {
    return this.#link
  }

  /**
   * Opens the link, unless it is. Every `acquire`, whatever comes of it, needs its `release`.
   *
   * @throws (by rejection) as opening does; whoever acquires it next tries again.
   */
  async acquire(): Promise<Link> {
    this.#users += 1
    this.#opening ??= this.#opened()
    return this.#opening
  }

  /** Resolves when the link is closed, if this was its last user. Never rejects. */
  async release(): Promise<void> {
    this.#users -= 1
    if (this.#users > 0) return
    const opening = this.#opening
    this.#opening = undefined
    if (opening === undefined) return
    this.#closing = opening.then(
      async (link) => {
        if (this.#link === link) this.#link = undefined
        await link.close()
      },
      () => {},
    )
    this.#left()
    await this.#closing
  }

  async #opened(): Promise<Link> {
    await this.#closing
    try {
      this.#link = await this.#open()
      return this.#link
    } catch (thrown) {
      this.#opening = undefined
      throw thrown
    }
  }
}
