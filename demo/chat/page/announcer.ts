/** What a screen reader is told as it happens: messages of others, who comes and goes, files. */
import { el } from './dom.js'

const KEPT = 20

export class Announcer {
  readonly #log: HTMLElement

  constructor(log: HTMLElement) {
    this.#log = log
  }

  say(text: string): void {
    this.#log.append(el('p', {}, text))
    while (this.#log.childElementCount > KEPT) this.#log.firstElementChild?.remove()
  }

  clear(): void {
    this.#log.replaceChildren()
  }
}
