/** The room on the screen, from entering to leaving. */
import { formatLink, type RoomLink } from '../../../src/cli/chat/link.js'
import type { RoomEvent } from '../../../src/cli/chat/room.js'
import { Announcer } from './announcer.js'
import { startComposer } from './composer.js'
import { showDiagnosis } from './diagnosis-view.js'
import { byId, setText } from './dom.js'
import { formatBytes, formatRtt, listNames } from './format.js'
import { MemberList } from './members.js'
import { MessageList } from './messages.js'
import { ObjectUrls } from './previews.js'
import { showStatus } from './status.js'
import type { ShownRoom, TabPeer } from './tab-peer.js'

const COPIED_MS = 2_000

export class RoomView {
  readonly #room: ShownRoom
  readonly #tab: TabPeer
  readonly #link: RoomLink
  readonly #urls = new ObjectUrls()
  readonly #announcer = new Announcer(byId('announcer'))
  readonly #members: MemberList
  readonly #messages: MessageList
  readonly #over = new AbortController()
  readonly #stops: (() => void)[]
  #rendezvous: string | undefined

  constructor(tab: TabPeer, link: RoomLink) {
    const { room } = tab
    this.#room = room
    this.#tab = tab
    this.#link = link
    this.#members = new MemberList(byId('members'), room.id)
    const places = { scroller: byId('log'), list: byId('messages'), empty: byId('empty') }
    const nameOf = (id: string): string => room.members.find((member) => member.id === id)?.name ?? 'Somebody'
    this.#messages = new MessageList(places, { room, urls: this.#urls, announcer: this.#announcer, nameOf })
    this.#stops = [
      room.on((event) => this.#take(event)),
      startComposer({ room, sendFiles: (files) => this.#sendFiles(files) }),
    ]
    tab.onRelay(() => {
      this.#showPeople()
    })
    this.#wireBar()
    this.#showPeople()
  }

  /**
   * Says good-bye, and frees everything.
   *
   * @param hurry while the page is being closed nothing can be waited for
   */
  async leave(hurry: boolean): Promise<void> {
    this.#over.abort()
    for (const stop of this.#stops) stop()
    const left = this.#room.leave()
    this.#messages.clear()
    this.#urls.revokeAll()
    this.#announcer.clear()
    if (!hurry) await left
    await this.#tab.close()
  }

  #take(event: RoomEvent): void {
    switch (event.type) {
      case 'members':
        return this.#showPeople()
      case 'presence':
        return this.#tellPresence(event)
      case 'entry':
        return this.#showEntry(event)
      case 'upload':
        return this.#messages.showUpload(event.upload)
      case 'rendezvous':
        this.#rendezvous = event.failure
        return this.#showPeople()
    }
  }

  #showEntry({ entry, index }: Extract<RoomEvent, { type: 'entry' }>): void {
    this.#messages.add(entry, index, this.#room.fileOf(entry))
    if (entry.author === this.#room.id || !entry.direct) return
    const { body, name } = entry
    this.#announcer.say(
      body.type === 'text' ? `${name}: ${body.text}` : `${name} offers ${body.name}, ${formatBytes(body.sizeBytes)}`,
    )
  }

  #tellPresence({ member: { name, state }, was }: Extract<RoomEvent, { type: 'presence' }>): void {
    const text = presenceText(name, state, was)
    if (text !== undefined) {
      this.#messages.notice(text)
      this.#announcer.say(text)
    }
    this.#messages.refreshFiles()
    this.#showPeople()
  }

  #showPeople(): void {
    const { members, name } = this.#room
    this.#members.show(name, members)
    const here = members.filter(({ state }) => state === 'connected' || state === 'silent')
    setText(byId('people-count'), String(here.length + 1))
    setText(byId('room-title'), here.length === 0 ? 'Just you' : `${here.length + 1} people`)
    const isRelayed = members.some(({ state, path }) => state === 'connected' && path?.kind === 'relay')
    setText(byId('why'), isRelayed ? 'Why am I relayed?' : 'Check my network')
    const typing = members.filter((member) => member.typing).map((member) => member.name)
    const verb = typing.length === 1 ? 'is' : 'are'
    setText(byId('typing'), typing.length === 0 ? '' : `${listNames(typing)} ${verb} typing…`)
    const relay = this.#tab.relay()
    const host = this.#link.relay === undefined ? '' : new URL(this.#link.relay).host
    const latency = relay?.latencyMs === undefined ? '' : ` · ${formatRtt(relay.latencyMs)}`
    const how = relay?.state === 'connected' ? latency : ' · not connected'
    setText(byId('relay'), relay === undefined ? '' : `Relay ${host}${how}`)
    showStatus(byId('status'), { relay: relay?.state, rendezvous: this.#rendezvous, members })
  }

  #sendFiles(files: readonly File[]): void {
    for (const file of files) {
      try {
        this.#room.offer(file)
      } catch (error) {
        this.#messages.notice(`${file.name}: ${error instanceof Error ? error.message : 'can’t be sent'}`)
      }
    }
    byId('text').focus()
  }

  #wireBar(): void {
    const { signal } = this.#over
    for (const id of ['copy', 'copy-empty']) {
      const copy = byId<HTMLButtonElement>(id)
      copy.addEventListener('click', () => void copyLink(copy, formatLink(this.#link), this.#announcer), { signal })
    }
    const { diagnose } = this.#tab
    byId('why').hidden = diagnose === undefined
    if (diagnose) byId('why').addEventListener('click', () => void showDiagnosis(diagnose), { signal })
    const toggle = byId('people-toggle')
    toggle.addEventListener(
      'click',
      () => {
        const open = byId('room').classList.toggle('people-open')
        toggle.setAttribute('aria-expanded', String(open))
      },
      { signal },
    )
  }
}

const copyLink = async (copy: HTMLButtonElement, link: string, announcer: Announcer): Promise<void> => {
  const copied = await navigator.clipboard.writeText(link).then(
    () => true,
    () => false,
  )
  // Without the right to the clipboard the address bar has it all the same.
  const told = copied ? 'Copied' : 'It is in the address bar'
  copy.dataset.label ??= copy.textContent ?? ''
  copy.textContent = told
  announcer.say(copied ? 'Link copied' : 'The link is in the address bar')
  setTimeout(() => {
    copy.textContent = copy.dataset.label ?? ''
  }, COPIED_MS)
}

const presenceText = (name: string, state: string, was: string | undefined): string | undefined => {
  if (state === 'connected') {
    if (was === undefined || was === 'left') return `${name} is here`
    return was === 'silent' ? undefined : `${name} is connected again`
  }
  if (state === 'reconnecting') return `The connection with ${name} was lost, reconnecting`
  if (state === 'left') return `${name} left`
  return state === 'lost' ? `${name} can’t be reached any more` : undefined
}
