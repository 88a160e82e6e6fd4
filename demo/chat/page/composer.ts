/** Where messages are written, and files are picked or dropped. */
import { byId } from './dom.js'
import type { ShownRoom } from './tab-peer.js'

const MAX_HEIGHT_PX = 160

export interface ComposerParts {
  readonly room: ShownRoom
  readonly sendFiles: (files: readonly File[]) => void
}

/** Wires the composer to a room; returns what undoes that. */
export const startComposer = ({ room, sendFiles }: ComposerParts): (() => void) => {
  const form = byId<HTMLFormElement>('composer')
  const text = byId<HTMLTextAreaElement>('text')
  const file = byId<HTMLInputElement>('file')
  const over = new AbortController()
  const { signal } = over

  const fit = (): void => {
    text.style.height = 'auto'
    text.style.height = `${Math.min(text.scrollHeight, MAX_HEIGHT_PX)}px`
  }
  const send = (): void => {
    if (text.value.trim() !== '') room.say(text.value)
    text.value = ''
    fit()
    text.focus()
  }
  const submit = (event: Event): void => {
    event.preventDefault()
    send()
  }
  const changed = (): void => {
    room.typing(text.value.trim() !== '')
    fit()
  }
  const picked = (): void => {
    sendFiles([...(file.files ?? [])])
    file.value = ''
  }
  form.addEventListener('submit', submit, { signal })
  text.addEventListener('input', changed, { signal })
  text.addEventListener(
    'keydown',
    (event) => {
      // While a word is being composed, Enter belongs to the input method.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      send()
    },
    { signal },
  )
  byId('attach').addEventListener('click', () => file.click(), { signal })
  file.addEventListener('change', picked, { signal })
  text.addEventListener(
    'paste',
    (event) => {
      const files = [...(event.clipboardData?.files ?? [])]
      if (files.length === 0) return
      event.preventDefault()
      sendFiles(files)
    },
    { signal },
  )
  startDrop(byId('room'), byId('drop'), sendFiles, signal)
  return () => over.abort()
}

/** Files that are dropped anywhere on the room. */
const startDrop = (
  area: HTMLElement,
  veil: HTMLElement,
  sendFiles: (files: readonly File[]) => void,
  signal: AbortSignal,
): void => {
  const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false
  let depth = 0
  const show = (by: number): void => {
    depth = Math.max(0, depth + by)
    veil.hidden = depth === 0
  }
  area.addEventListener('dragenter', (event) => hasFiles(event) && show(1), { signal })
  area.addEventListener('dragleave', (event) => hasFiles(event) && show(-1), { signal })
  area.addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault(), { signal })
  area.addEventListener(
    'drop',
    (event) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      show(-depth)
      sendFiles([...(event.dataTransfer?.files ?? [])])
    },
    { signal },
  )
}
