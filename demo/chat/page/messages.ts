/** The conversation. Messages are placed by their order in the room; notices of coming and going stand where they happened. */
import type { Entry } from '../../../src/cli/chat/timeline.js'
import type { Upload } from '../../../src/cli/chat/uploads.js'
import { el } from './dom.js'
import { FileCard, type FileCardParts } from './file-card.js'
import { formatTime, initials } from './format.js'

/** Messages of one author within this time stand under one name. */
const GROUP_MS = 5 * 60_000
const MAX_NOTICES = 50

interface Row {
  readonly element: HTMLLIElement
  readonly entry: Entry
  readonly card: FileCard | undefined
}

export class MessageList {
  readonly #scroller: HTMLElement
  readonly #list: HTMLElement
  readonly #empty: HTMLElement
  readonly #parts: FileCardParts
  readonly #rows = new Map<string, Row>()
  readonly #growth: ResizeObserver
  #notices: HTMLLIElement[] = []
  /** Whether the reader is at the end, and wants to stay there. */
  #atEnd = true

  constructor(places: { scroller: HTMLElement; list: HTMLElement; empty: HTMLElement }, parts: FileCardParts) {
    this.#scroller = places.scroller
    this.#list = places.list
    this.#empty = places.empty
    this.#parts = parts
    this.#list.replaceChildren()
    this.#empty.hidden = false
    this.#scroller.addEventListener('scroll', this.#onScroll, { passive: true })
    this.#growth = new ResizeObserver(() => this.#follow())
    this.#growth.observe(this.#list)
    this.#growth.observe(this.#scroller)
  }

  /** Places a message, in stead of the one with its key if there is one. */
  add(entry: Entry, index: number, own?: Blob): void {
    const { entries } = this.#parts.room
    this.#remove(entry.key)
    const card = this.#cardOf(entry, own)
    const row: Row = { element: this.#render(entry, card), entry, card }
    this.#rows.set(entry.key, row)
    const next = entries[index + 1]
    this.#list.insertBefore(row.element, next === undefined ? this.#endFor(entry) : this.#elementOf(next))
    this.#group(entries[index - 1], entry)
    if (next !== undefined) this.#group(entry, next)
    this.#forgetOld(entries)
    this.#empty.hidden = true
    if (entry.author === this.#parts.room.id) this.#atEnd = true
    this.#follow()
  }

  /** A line about who comes and goes. */
  notice(text: string): void {
    const element = el('li', { class: 'notice', 'data-at': Date.now() }, text)
    this.#notices.push(element)
    if (this.#notices.length > MAX_NOTICES) this.#notices.shift()?.remove()
    this.#list.append(element)
    this.#empty.hidden = true
    this.#follow()
  }

  showUpload(upload: Upload): void {
    for (const { entry, card } of this.#rows.values()) {
      if (entry.author === this.#parts.room.id && entry.seq === upload.seq) card?.showUpload(upload)
    }
  }

  /** Somebody came or went: files may have become available, or the opposite. */
  refreshFiles(): void {
    for (const { card } of this.#rows.values()) card?.refresh()
  }

  clear(): void {
    this.#scroller.removeEventListener('scroll', this.#onScroll)
    this.#growth.disconnect()
    for (const key of [...this.#rows.keys()]) this.#remove(key)
    this.#list.replaceChildren()
  }

  readonly #onScroll = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller
    this.#atEnd = scrollHeight - scrollTop - clientHeight < 80
  }

  /** Stays at the end if that is where the reader is: also when a picture is drawn, or the keyboard of a phone comes up. */
  #follow(): void {
    if (this.#atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight
  }

  /** Before notices that are younger than the message: history arrives after its reader did. */
  #endFor({ at, direct }: Entry): Element | null {
    let end: Element | null = null
    if (direct) return end
    for (let last = this.#list.lastElementChild; last !== null; last = last.previousElementSibling) {
      if (!(last instanceof HTMLElement) || Number(last.dataset.at ?? 0) <= at) break
      end = last
    }
    return end
  }

  #elementOf({ key }: Entry): Element | null {
    return this.#rows.get(key)?.element ?? null
  }

  #cardOf(entry: Entry, own: Blob | undefined): FileCard | undefined {
    const { body } = entry
    if (body.type !== 'file') return undefined
    const card = new FileCard(this.#parts, { ...entry, body })
    if (own !== undefined) card.showOwn(own)
    return card
  }

  #render(entry: Entry, card: FileCard | undefined): HTMLLIElement {
    const self = entry.author === this.#parts.room.id
    const time = el('time', { datetime: new Date(entry.at).toISOString() }, formatTime(entry.at))
    const told =
      !entry.direct && el('span', { class: 'told', title: 'Told by another member, as they remember it' }, 'earlier')
    const head = el(
      'p',
      { class: 'message-head' },
      el('span', { class: 'author' }, self ? 'You' : entry.name),
      ' ',
      time,
      told,
    )
    const text = entry.body.type === 'text' && el('p', { class: 'message-text' }, entry.body.text)
    const avatar = el('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(entry.name))
    return el(
      'li',
      { class: self ? 'message own' : 'message' },
      avatar,
      el('div', { class: 'message-body' }, head, text, card?.element),
    )
  }

  /** Whether a message goes on what the one before began. */
  #group(previous: Entry | undefined, entry: Entry): void {
    const goesOn =
      previous?.author === entry.author &&
      previous.name === entry.name &&
      previous.direct === entry.direct &&
      Math.abs(entry.at - previous.at) < GROUP_MS &&
      !this.#rows.get(entry.key)?.element.previousElementSibling?.classList.contains('notice')
    this.#rows.get(entry.key)?.element.classList.toggle('goes-on', goesOn)
  }

  #remove(key: string): void {
    const row = this.#rows.get(key)
    row?.card?.remove()
    row?.element.remove()
    this.#rows.delete(key)
  }

  /** The room forgets; so does the page. */
  #forgetOld(entries: readonly Entry[]): void {
    if (this.#rows.size <= entries.length) return
    const kept = new Set(entries.map(({ key }) => key))
    for (const key of [...this.#rows.keys()]) if (!kept.has(key)) this.#remove(key)
  }
}
