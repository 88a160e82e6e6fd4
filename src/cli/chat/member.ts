/** One other member, over all connections with it. */
import type { ChatConnection } from './connection.js'
import type { Conversation } from './conversation.js'

/**
 * - `connecting`: announced, dialled, and nothing is proven yet; nobody is shown these
 * - `connected`: there is a conversation
 * - `silent`: there is one, but the remote has not answered for a few seconds
 * - `reconnecting`: the connection was lost, and is dialled again
 * - `left`: said good-bye
 * - `lost`: could not be reached again
 */
export type MemberState = 'connecting' | 'connected' | 'silent' | 'reconnecting' | 'left' | 'lost'

/** A member as it is shown. */
export interface MemberView {
  readonly id: string
  readonly name: string
  readonly state: MemberState
  /** When the state began, milliseconds since 1970. */
  readonly since: number
  readonly typing: boolean
  /** The path that messages take; `undefined` without a connection. */
  readonly path: { readonly kind: string; readonly rttMs: number } | undefined
}

export class Member {
  readonly id: string
  name = ''
  /** Where it is reached, as it was announced last. */
  ticket: string | undefined
  conversation: Conversation | undefined
  /** Dials since the last conversation. */
  attempts = 0
  dialling: AbortController | undefined
  timer: ReturnType<typeof setTimeout> | undefined
  typingTimer: ReturnType<typeof setTimeout> | undefined
  /** Broke the protocol: it is not dialled, and not listened to. */
  banned = false
  /** The largest number among the messages that it sent itself. */
  lastSeq = 0
  #state: MemberState = 'connecting'
  #since = Date.now()

  constructor(id: string) {
    this.id = id
  }

  get state(): MemberState {
    return this.#state === 'connected' && this.conversation?.connection.state === 'recovering' ? 'silent' : this.#state
  }

  get since(): number {
    return this.#since
  }

  move(state: MemberState): void {
    if (state === this.#state) return
    this.#state = state
    this.#since = Date.now()
  }

  /** Whether a dial is under way or planned. */
  get trying(): boolean {
    return this.dialling !== undefined || this.timer !== undefined
  }

  /** Ends every timer and dial. */
  stop(): void {
    clearTimeout(this.timer)
    clearTimeout(this.typingTimer)
    this.timer = undefined
    this.typingTimer = undefined
    this.dialling?.abort()
    this.dialling = undefined
  }

  get view(): MemberView {
    const { id, name, state, since, conversation } = this
    const typing = this.typingTimer !== undefined && conversation !== undefined
    return { id, name, state, since, typing, path: conversation && pathOf(conversation.connection) }
  }
}

/** The path in use: while the session is relayed that of the relay, else the first other one. */
const pathOf = ({ paths, state, rttMs }: ChatConnection): MemberView['path'] => {
  const direct = paths.find(({ kind }) => kind !== 'relay')
  const path = state === 'relayed' ? (paths.find(({ kind }) => kind === 'relay') ?? direct) : (direct ?? paths[0])
  return path === undefined ? undefined : { kind: path.kind, rttMs: path.rttMs > 0 ? path.rttMs : rttMs }
}
