/** A file in the conversation: what it is, how far it has come, and what can be done with it. */
import type { FileBody } from '../../../src/cli/chat/frames.js'
import type { Entry } from '../../../src/cli/chat/timeline.js'
import type { Upload } from '../../../src/cli/chat/uploads.js'
import type { Announcer } from './announcer.js'
import { BlobSink, MAX_TAB_FILE_BYTES } from './blob-sink.js'
import { button, el, setText } from './dom.js'
import { formatBytes } from './format.js'
import { isPicture, type ObjectUrls } from './previews.js'
import type { ShownRoom } from './tab-peer.js'

export interface FileCardParts {
  readonly room: ShownRoom
  readonly urls: ObjectUrls
  readonly announcer: Announcer
  readonly nameOf: (id: string) => string
}

type FileEntry = Entry & { readonly body: FileBody }

export class FileCard {
  readonly element = el('div', { class: 'file' })
  readonly #parts: FileCardParts
  readonly #entry: FileEntry
  readonly #note = el('span', { class: 'file-note' })
  readonly #actions = el('span', { class: 'file-actions' })
  readonly #progress = el('progress', { max: 1, value: 0, hidden: true })
  readonly #uploads = el('ul', { class: 'uploads' })
  readonly #uploadRows = new Map<string, HTMLLIElement>()
  #state: 'offered' | 'fetching' | 'here' = 'offered'
  #url: string | undefined

  constructor(parts: FileCardParts, entry: FileEntry) {
    this.#parts = parts
    this.#entry = entry
    const { name, sizeBytes } = entry.body
    const icon = el('span', { class: 'file-icon', 'aria-hidden': 'true' }, extensionOf(name))
    const about = el(
      'span',
      { class: 'file-about' },
      el('span', { class: 'file-name' }, name),
      el('span', { class: 'file-size' }, formatBytes(sizeBytes), this.#note),
    )
    this.#progress.setAttribute('aria-label', `Receiving ${name}`)
    this.element.append(el('div', { class: 'file-head' }, icon, about, this.#actions), this.#progress, this.#uploads)
    this.refresh()
  }

  /** The author's own file is here already. */
  showOwn(blob: Blob): void {
    this.#state = 'here'
    this.#show(blob)
  }

  /** Somebody fetches it from here. */
  showUpload({ to, sentBytes, totalBytes, state }: Upload): void {
    const row = this.#uploadRows.get(to) ?? el('li')
    this.#uploadRows.set(to, row)
    this.#uploads.append(row)
    const percent = totalBytes === 0 ? 100 : Math.floor((100 * sentBytes) / totalBytes)
    const name = this.#parts.nameOf(to)
    if (state === 'sending') setText(row, `${name}: ${percent} %`)
    else setText(row, state === 'done' ? `${name} has it` : `${name}: stopped at ${percent} %`)
  }

  /** Looks again whether the author is here. */
  refresh(): void {
    if (this.#state !== 'offered') return
    const { room } = this.#parts
    const { name, sizeBytes, mediaType } = this.#entry.body
    if (sizeBytes > MAX_TAB_FILE_BYTES) return this.#cannot(' · too large for a browser tab')
    if (!room.isAvailable(this.#entry)) return this.#cannot(' · its sender is not here')
    setText(this.#note, '')
    if (this.#actions.childElementCount > 0) return
    const label = isPicture(mediaType, sizeBytes) ? 'Show' : 'Download'
    this.#actions.replaceChildren(button(label, { 'aria-label': `${label} ${name}` }, () => void this.#fetch()))
  }

  #cannot(note: string): void {
    setText(this.#note, note)
    this.#actions.replaceChildren()
  }

  async #fetch(): Promise<void> {
    const { room, announcer } = this.#parts
    const { name, sizeBytes } = this.#entry.body
    const cancel = new AbortController()
    const sink = new BlobSink()
    this.#state = 'fetching'
    this.#progress.hidden = false
    const stop = button('Cancel', { 'aria-label': `Cancel ${name}` }, () => cancel.abort())
    this.#actions.replaceChildren(stop)
    stop.focus()
    try {
      await room.fetch(this.#entry.key, sink, {
        signal: cancel.signal,
        onProgress: (bytes) => {
          this.#progress.value = sizeBytes === 0 ? 1 : bytes / sizeBytes
          setText(this.#note, ` · ${Math.floor((100 * bytes) / sizeBytes)}\u00a0%`)
        },
      })
      this.#state = 'here'
      this.#show(sink.blob())
      announcer.say(`${name} is here`)
    } catch (error) {
      this.#state = 'offered'
      this.#actions.replaceChildren()
      this.refresh()
      const reason = cancel.signal.aborted ? 'cancelled' : error instanceof Error ? error.message : 'failed'
      setText(this.#note, ` · ${reason}`)
      announcer.say(`${name}: ${reason}`)
    } finally {
      this.#progress.hidden = true
      this.#progress.value = 0
    }
  }

  #show(blob: Blob): void {
    const { name, sizeBytes, mediaType } = this.#entry.body
    const { urls, room } = this.#parts
    const own = this.#entry.author === room.id
    this.#url = urls.create(blob, mediaType)
    setText(this.#note, own ? '' : ' · SHA-256 checked')
    const save = el('a', { class: 'button', href: this.#url, download: name, 'aria-label': `Save ${name}` }, 'Save')
    const hadFocus = this.#actions.contains(document.activeElement)
    this.#actions.replaceChildren(...(own ? [] : [save]))
    if (hadFocus) save.focus()
    if (!isPicture(mediaType, sizeBytes)) return
    const picture = el('img', { class: 'picture', src: this.#url, alt: name, decoding: 'async' })
    // Not a picture after all.
    picture.addEventListener('error', () => picture.remove())
    this.element.prepend(picture)
  }

  /** Frees what it holds. */
  remove(): void {
    if (this.#url !== undefined) this.#parts.urls.revoke(this.#url)
  }
}

const extensionOf = (name: string): string => {
  const extension = /\.([a-z0-9]{1,4})$/i.exec(name)?.[1]
  return extension?.toUpperCase() ?? 'FILE'
}
