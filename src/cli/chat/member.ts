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
  /** All open paths, that one first. */
  readonly paths: readonly PathView[]
  /** When the bytes of paths were counted last, by `performance.now()`; `undefined` until then. */
  readonly measuredAt: number | undefined
}

/** A path as it is shown. */
export interface PathView {
  readonly pathId: number
  readonly kind: string
  /** What it had carried in both directions when it was measured last; `undefined` for one that is newer. */
  readonly bytes: number | undefined
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
    const path = conversation && pathOf(conversation.connection)
    const paths = conversation === undefined ? [] : pathsOf(conversation)
    return { id, name, state, since, typing, path, paths, measuredAt: conversation?.measured?.at }
  }
}

const pathOf = ({ paths: [path], rttMs }: ChatConnection): MemberView['path'] =>
  path && { kind: path.kind, rttMs: path.rttMs > 0 ? path.rttMs : rttMs }

const pathsOf = ({ connection, measured }: Conversation): PathView[] =>
  connection.paths.map(({ pathId, kind }) => {
    const carried = measured?.paths.find((path) => path.pathId === pathId)
    return { pathId, kind, bytes: carried && carried.bytesSent + carried.bytesReceived }
  })
