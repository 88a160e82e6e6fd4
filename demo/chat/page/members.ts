/** The list of people: who is there, over which path, and what is being done about those who are not. */
import type { MemberView } from '../../../src/cli/chat/member.js'
import { el, setText } from './dom.js'
import { formatRtt, initials } from './format.js'
import { PathTimeline } from './path-timeline.js'
import { Sparkline } from './sparkline.js'

const STATE_TEXT: Readonly<Record<MemberView['state'], string>> = {
  connecting: 'Connecting…',
  connected: '',
  silent: 'Not answering, waiting…',
  reconnecting: 'Connection lost, reconnecting…',
  left: 'Left',
  lost: 'Lost: can’t be reached',
}

const PATH_TEXT: Readonly<Record<string, string>> = {
  relay: 'via relay',
  udp: 'direct, UDP',
  webtransport: 'direct, WebTransport',
  webrtc: 'direct, WebRTC',
}

class MemberRow {
  readonly element: HTMLLIElement
  readonly #avatar = el('span', { class: 'avatar', 'aria-hidden': 'true' })
  readonly #name = el('span', { class: 'member-name' })
  readonly #tag: HTMLElement
  readonly #detail = el('span', { class: 'member-detail' })
  readonly #sparkline = new Sparkline()
  readonly #timeline = new PathTimeline()

  constructor(id: string, self: boolean) {
    this.#tag = el('span', { class: 'member-id' }, id.slice(0, 6))
    const text = el('span', { class: 'member-text' }, el('span', {}, this.#name, ' ', this.#tag), this.#detail)
    this.element = el('li', { class: 'member', title: `Key ${id}` }, this.#avatar, text)
    if (!self) this.element.append(this.#sparkline.element, this.#timeline.element)
  }

  /** @param namesake whether somebody else has that name, so that the key has to tell them apart */
  show(view: MemberView, namesake: boolean): void {
    this.#tag.hidden = !namesake
    setText(this.#avatar, initials(view.name))
    setText(this.#name, view.name)
    this.element.dataset.state = view.state
    setText(this.#detail, detailOf(view))
    if (view.state === 'connected') this.#sparkline.add(view.path?.rttMs ?? 0)
    else this.#sparkline.clear()
    if (view.paths.length > 0) this.#timeline.show(view)
    else this.#timeline.clear()
  }

  showSelf(name: string): void {
    this.#tag.hidden = true
    setText(this.#avatar, initials(name))
    setText(this.#name, name)
    setText(this.#detail, 'You')
    this.element.dataset.state = 'self'
  }
}

const detailOf = ({ state, path }: MemberView): string => {
  if (state !== 'connected') return STATE_TEXT[state]
  if (path === undefined) return 'Connected'
  return `${PATH_TEXT[path.kind] ?? path.kind} · ${formatRtt(path.rttMs)}`
}

export class MemberList {
  readonly #list: HTMLElement
  readonly #rows = new Map<string, MemberRow>()
  readonly #self: MemberRow

  constructor(list: HTMLElement, selfId: string) {
    this.#list = list
    this.#self = new MemberRow(selfId, true)
    list.replaceChildren(this.#self.element)
  }

  show(selfName: string, members: readonly MemberView[]): void {
    this.#self.showSelf(selfName)
    const gone = new Set(this.#rows.keys())
    const names = [selfName, ...members.map(({ name }) => name)]
    for (const [index, view] of members.entries()) {
      gone.delete(view.id)
      const row = this.#rows.get(view.id) ?? new MemberRow(view.id, false)
      this.#rows.set(view.id, row)
      row.show(view, names.filter((name) => name === view.name).length > 1)
      const place = this.#list.children[index + 1] ?? null
      if (place !== row.element) this.#list.insertBefore(row.element, place)
    }
    for (const id of gone) {
      this.#rows.get(id)?.element.remove()
      this.#rows.delete(id)
    }
  }
}
