/** The page: first the welcome, then the room; the address bar holds the link all the time. */
import { formatLink, newSecret, parseLink, type RoomLink } from '../../../src/cli/chat/link.js'
import { byId, setText } from './dom.js'
import { RoomView } from './room-view.js'
import { enterShared } from './shared-room.js'
import { enterInTab } from './tab-peer.js'

const NAME_KEY = 'anypath-chat-name'

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The room that the address bar names; `undefined` where it names none. @throws {LinkError} when it is malformed */
const linkOfAddress = (): RoomLink | undefined => (location.hash.length > 1 ? parseLink(location.href) : undefined)

/** Whether the address asks for one member for all tabs of this browser, which needs a SharedWorker. */
const isShared = (): boolean =>
  new URLSearchParams(location.hash.slice(1)).get('shared') === '1' && typeof SharedWorker !== 'undefined'

/** A room of its own, on the relay that this page's server names. */
const newRoom = async (): Promise<RoomLink> => {
  const response = await fetch('/config.json')
  const { relay }: { relay: string } = await response.json()
  return { page: new URL('/', location.href).href, relay, secret: newSecret() }
}

/** The name is asked for once; a private window may not keep it. */
const keptName = (): string => {
  try {
    return localStorage.getItem(NAME_KEY) ?? ''
  } catch {
    return ''
  }
}

const keepName = (name: string): void => {
  try {
    localStorage.setItem(NAME_KEY, name)
  } catch {
    // Asked again next time.
  }
}

const onSubmit = (form: string, action: () => void): void => {
  byId(form).addEventListener('submit', (event) => {
    event.preventDefault()
    action()
  })
}

class Page {
  readonly #error = byId('enter-error')
  readonly #name = byId<HTMLInputElement>('name')
  readonly #button = byId<HTMLButtonElement>('enter-button')
  #view: RoomView | undefined

  start(): void {
    onSubmit('enter', () => void this.#enter())
    onSubmit('by-link', () => this.#followLink())
    byId('leave').addEventListener('click', () => void this.#leave())
    byId('skip').addEventListener('click', (event) => {
      // Not by the address, which holds the link of the room.
      event.preventDefault()
      byId('text').focus()
    })
    addEventListener('hashchange', () => void this.#addressChanged())
    // Not on `beforeunload`: the page may live on.
    addEventListener('pagehide', (event) => event.persisted || void this.#view?.leave(true))
    this.#name.value = keptName()
    this.#welcome()
  }

  #welcome(): void {
    byId('room').hidden = true
    byId('welcome').hidden = false
    document.title = 'anypath chat'
    setText(this.#error, '')
    const invited = location.hash.length > 1
    setText(byId('welcome-title'), invited ? 'You are invited' : 'A room of your own')
    setText(
      byId('welcome-lead'),
      invited
        ? 'Say who you are, and join the room of this link.'
        : 'Talk and send files, straight from browser to browser, with nobody in between who could listen.',
    )
    this.#button.textContent = invited ? 'Join the room' : 'Create a room'
    byId('by-link').hidden = invited
    if (!isSecureContext) {
      this.#button.disabled = true
      setText(
        this.#error,
        'This page encrypts in the browser, which works only over https:// or on this machine itself.',
      )
    }
    this.#name.focus()
  }

  async #enter(): Promise<void> {
    const name = this.#name.value.trim()
    keepName(name)
    setText(this.#error, '')
    this.#button.disabled = true
    try {
      const link = linkOfAddress() ?? (await newRoom())
      if (link.relay === undefined) throw new Error('the link names no relay, and a browser needs one')
      const shared = isShared()
      const tab = await (shared ? enterShared : enterInTab)(link, name)
      history.replaceState(null, '', shared ? `${formatLink(link)}&shared=1` : formatLink(link))
      byId('welcome').hidden = true
      byId('room').hidden = false
      this.#view = new RoomView(tab, link)
      document.title = 'Room · anypath chat'
      byId('text').focus()
    } catch (error) {
      setText(this.#error, `That did not work: ${messageOf(error)}.`)
    } finally {
      this.#button.disabled = false
    }
  }

  #followLink(): void {
    const link = byId<HTMLInputElement>('link')
    try {
      const { secret, relay } = parseLink(link.value)
      // The room is found at the server of the page that it was made on.
      const page = new URL(link.value).origin
      if (page !== location.origin) return void location.assign(link.value)
      history.pushState(null, '', formatLink({ page: new URL('/', location.href).href, relay, secret }))
      link.value = ''
      this.#welcome()
    } catch (error) {
      setText(this.#error, `${messageOf(error)}.`)
      link.focus()
    }
  }

  async #leave(): Promise<void> {
    const view = this.#view
    this.#view = undefined
    history.replaceState(null, '', '/')
    this.#welcome()
    await view?.leave(false)
  }

  /** Another link was put into the address bar. */
  async #addressChanged(): Promise<void> {
    const view = this.#view
    this.#view = undefined
    this.#welcome()
    await view?.leave(false)
  }
}

new Page().start()
