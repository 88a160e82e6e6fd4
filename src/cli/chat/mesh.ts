/**
 * Keeps a conversation with every member: takes connections, dials those that are announced, and dials again those that were lost.
 *
 * Whoever learns of the other dials. A pair that has two connections, because both dialled, keeps the one that the smaller id dialled;
 * both sides see the same, so nothing has to be agreed on. After a loss the smaller id dials at once, and the other one a little later.
 */
import type { Announcement } from './announcement.js'
import { CHAT_ALPN, type ChatConnection, type ChatPeer, CloseCode } from './connection.js'
import { Conversation, type ConversationHandlers, type End } from './conversation.js'
import type { RoomKeys } from './keys.js'
import { MAX_MEMBERS, MAX_UNPROVEN } from './limits.js'
import { Member } from './member.js'
import { backoffMs, type Timing } from './timing.js'

export interface MeshEvents extends Pick<ConversationHandlers, 'request'> {
  frame(member: Member, conversation: Conversation, frame: Parameters<ConversationHandlers['frame']>[1]): void
  /** There is a conversation with the member, the first or another one. */
  connected(member: Member, conversation: Conversation): void
  /** Something of what is shown of a member changed. */
  changed(member: Member): void
}

interface MeshParts {
  readonly peer: ChatPeer
  readonly keys: RoomKeys
  readonly timing: Timing
  readonly events: MeshEvents
}

/** Members that are remembered, whatever their state: announcements of a hostile member can't make it more. */
const MAX_REMEMBERED = 4 * MAX_MEMBERS

export class Mesh {
  readonly #parts: MeshParts
  readonly #members = new Map<string, Member>()
  readonly #unproven = new Set<ChatConnection>()
  #over = false

  constructor(parts: MeshParts) {
    this.#parts = parts
    void this.#accept()
  }

  /** Those that have proven their membership at least once. */
  get members(): readonly Member[] {
    return [...this.#members.values()].filter(({ state }) => state !== 'connecting')
  }

  get conversations(): readonly Conversation[] {
    return [...this.#members.values()].flatMap(({ conversation }) => conversation ?? [])
  }

  member(id: string): Member | undefined {
    return this.#members.get(id)
  }

  /** Takes what the rendezvous told: unknown members are dialled, and now and then those that could not be reached. */
  announced(announcements: readonly Announcement[]): void {
    for (const { id, ticket } of announcements) {
      if (this.#over || id === this.#parts.peer.id) continue
      const member = this.#remember(id)
      if (member === undefined) continue
      member.ticket = ticket
      if (member.conversation === undefined && !member.trying && !member.banned && member.state !== 'left') {
        this.#dialIn(member, member.attempts === 0 ? 0 : this.#pauseFor(member))
      }
    }
  }

  /** Says good-bye to everybody; resolves when they have heard it, or soon. */
  async leave(): Promise<void> {
    this.#over = true
    for (const connection of this.#unproven) connection.close({ closeCode: CloseCode.left, reason: 'left' })
    for (const member of this.#members.values()) member.stop()
    await Promise.all(this.conversations.map((conversation) => conversation.leave()))
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#parts.peer.incoming) {
      connection.closed.catch(() => undefined)
      connection.ready.catch(() => undefined)
      if (this.#over || connection.alpn !== CHAT_ALPN) connection.close({ closeCode: CloseCode.left })
      else void this.#open(connection)
    }
  }

  /** Makes a conversation of a connection, or closes it. */
  async #open(connection: ChatConnection): Promise<void> {
    const [oldest] = this.#unproven
    if (this.#unproven.size >= MAX_UNPROVEN && oldest !== undefined) {
      this.#unproven.delete(oldest)
      oldest.close({ closeCode: CloseCode.full, reason: 'too many connections without proof' })
    }
    this.#unproven.add(connection)
    try {
      const { keys, peer, events } = this.#parts
      const handlers: ConversationHandlers = {
        frame: (conversation, frame) => {
          const member = this.#members.get(conversation.remoteId)
          if (member?.conversation === conversation) events.frame(member, conversation, frame)
        },
        request: events.request,
        ended: (conversation, end) => this.#ended(conversation, end),
      }
      const conversation = await Conversation.open(connection, { keys, self: peer.id, handlers })
      this.#adopt(conversation)
    } catch {
      // A stranger, or a connection that broke; it is closed.
    } finally {
      this.#unproven.delete(connection)
    }
  }

  #adopt(conversation: Conversation): void {
    const member = this.#remember(conversation.remoteId)
    const current = member?.conversation
    if (this.#over) return conversation.close(CloseCode.left, 'left')
    if (member === undefined || member.banned) return conversation.close(CloseCode.full, 'not welcome')
    if (current === undefined && this.conversations.length >= MAX_MEMBERS - 1) {
      return conversation.close(CloseCode.full, 'the room is full')
    }
    if (current !== undefined && this.#keeps(current, conversation)) {
      return conversation.close(CloseCode.duplicate, 'there is another connection')
    }
    member.stop()
    member.attempts = 0
    member.conversation = conversation
    member.move('connected')
    current?.close(CloseCode.duplicate, 'there is another connection')
    conversation.connection.on('state', () => this.#parts.events.changed(member))
    conversation.connection.on('path', () => this.#parts.events.changed(member))
    conversation.start()
    this.#parts.events.connected(member, conversation)
  }

  /** Whether the older of two conversations stays. */
  #keeps(older: Conversation, newer: Conversation): boolean {
    if (older.connection.state === 'recovering') return false
    const dialler = ({ connection, remoteId }: Conversation): string =>
      connection.incoming ? remoteId : this.#parts.peer.id
    return dialler(older) < dialler(newer)
  }

  #ended(conversation: Conversation, { left, refused }: End): void {
    const member = this.#members.get(conversation.remoteId)
    if (member === undefined || member.conversation !== conversation) return
    member.conversation = undefined
    member.stop()
    if (refused) member.banned = true
    if (left || refused) member.move(left ? 'left' : 'lost')
    else if (!this.#over) {
      member.move('reconnecting')
      this.#dialIn(member, this.#parts.peer.id < member.id ? 0 : this.#parts.timing.courtesyMs)
    }
    this.#parts.events.changed(member)
  }

  #dialIn(member: Member, ms: number): void {
    if (this.#over || member.ticket === undefined) return
    clearTimeout(member.timer)
    member.timer = setTimeout(() => {
      member.timer = undefined
      void this.#dial(member)
    }, ms)
  }

  async #dial(member: Member): Promise<void> {
    const { peer, timing, events } = this.#parts
    if (this.#over || member.conversation !== undefined || member.ticket === undefined) return
    const dialling = new AbortController()
    member.dialling = dialling
    member.attempts += 1
    try {
      const options = { alpn: CHAT_ALPN, signal: dialling.signal, timeoutMs: timing.dialMs }
      const connection = await peer.connect(member.ticket, options)
      connection.closed.catch(() => undefined)
      if (connection.remoteId === member.id) await this.#open(connection)
      else connection.close({ closeCode: CloseCode.stranger, reason: 'not who was announced' })
    } catch {
      // Out of reach for now.
    }
    if (member.dialling === dialling) member.dialling = undefined
    if (this.#over || member.conversation !== undefined) return
    if (member.state === 'reconnecting') {
      if (Date.now() - member.since < timing.reconnectMs) return this.#dialIn(member, this.#pauseFor(member))
      member.move('lost')
      events.changed(member)
    }
  }

  #pauseFor({ attempts }: Member): number {
    return backoffMs(attempts - 1, this.#parts.timing.redialMs)
  }

  /** The member of an id; makes room by forgetting those that are gone. */
  #remember(id: string): Member | undefined {
    const known = this.#members.get(id)
    if (known !== undefined) return known
    this.forget(0, MAX_REMEMBERED - 1)
    if (this.#members.size >= MAX_REMEMBERED) return undefined
    const member = new Member(id)
    this.#members.set(id, member)
    return member
  }

  /** Forgets members that have been gone for that long, as long as there are more than `keep`; whether it forgot any. */
  forget(forMs: number, keep = 0): boolean {
    const before = this.#members.size
    for (const [id, member] of this.#members) {
      if (this.#members.size <= keep) break
      const gone = member.state === 'left' || member.state === 'lost' || member.state === 'connecting'
      if (!gone || member.trying || member.banned || Date.now() - member.since < forMs) continue
      this.#members.delete(id)
    }
    return this.#members.size < before
  }
}
