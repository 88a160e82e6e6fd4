/** A room: its members, its messages and its files, for whatever shows them. Nothing here knows a platform. */
import { type ChatPeer, CloseCode } from './connection.js'
import type { Conversation } from './conversation.js'
import { RoomDiscovery } from './discovery.js'
import { FileError, type FileSink, type FileSource, type NewSha256, type OnProgress, receiveFile } from './files.js'
import type { Frame, Message } from './frames.js'
import { deriveKeys } from './keys.js'
import {
  MAX_FILE_BYTES,
  MAX_FILE_NAME_LENGTH,
  MAX_MEDIA_TYPE_LENGTH,
  MAX_NAME_LENGTH,
  MAX_TEXT_LENGTH,
  TYPING_MS,
} from './limits.js'
import type { RoomLink } from './link.js'
import type { Member, MemberState, MemberView } from './member.js'
import { Mesh } from './mesh.js'
import { HttpRendezvous, type Rendezvous } from './rendezvous.js'
import { cleanFileName, cleanName, cleanText, lengthOf } from './text.js'
import { type Entry, Timeline } from './timeline.js'
import { DEFAULT_TIMING, type Timing } from './timing.js'
import { type Upload, Uploads } from './uploads.js'

export interface RoomOptions {
  /** Serves {@link CHAT_ALPN}, and belongs to this room alone: the room takes its incoming connections. */
  readonly peer: ChatPeer
  readonly link: RoomLink
  readonly name: string
  readonly newSha256: NewSha256
  /** @default the server of the link's page */
  readonly rendezvous?: Rendezvous
  readonly timing?: Partial<Timing>
}

export type RoomEvent =
  /** Something of what is shown of a member changed, if only a round-trip time. */
  | { readonly type: 'members' }
  /** A member is there for the first time, is there again, is looked for, or is gone. */
  | { readonly type: 'presence'; readonly member: MemberView; readonly was: MemberState | undefined }
  /** There is a message, at this place of `room.entries`. */
  | { readonly type: 'entry'; readonly entry: Entry; readonly index: number }
  /** Somebody fetches a file of ours. */
  | { readonly type: 'upload'; readonly upload: Upload }
  /** How the last look at the rendezvous went. */
  | { readonly type: 'rendezvous'; readonly failure: string | undefined }

export type RoomListener = (event: RoomEvent) => void

export class Room {
  readonly #options: RoomOptions
  readonly #timing: Timing
  readonly #timeline = new Timeline()
  readonly #uploads: Uploads
  readonly #mesh: Mesh
  readonly #discovery: RoomDiscovery
  readonly #listeners = new Set<RoomListener>()
  /** Conversations that were told the history; each is told once. */
  readonly #toldHistory = new WeakSet<Conversation>()
  /** The state in which each member was shown last. */
  readonly #shown = new WeakMap<Member, MemberState>()
  readonly #measuring: ReturnType<typeof setInterval>
  #name: string
  /** Begins at the time, so that a member that comes again with the same key goes on above what it said before. */
  #seq = Date.now()
  #typingSince = 0
  #left: Promise<void> | undefined

  private constructor(options: RoomOptions, keys: Awaited<ReturnType<typeof deriveKeys>>) {
    const { peer, link, newSha256 } = options
    this.#options = options
    this.#timing = { ...DEFAULT_TIMING, ...options.timing }
    this.#name = nameOrDefault(options.name, peer.id)
    this.#uploads = new Uploads(newSha256, (upload) => this.#emit({ type: 'upload', upload }))
    this.#mesh = new Mesh({
      peer,
      keys,
      timing: this.#timing,
      events: {
        frame: (member, conversation, frame) => this.#take(member, conversation, frame),
        request: ({ connection }, stream) => void this.#uploads.serve(connection, stream),
        connected: (member, conversation) => this.#greet(member, conversation),
        changed: (member) => this.#show(member),
      },
    })
    this.#discovery = new RoomDiscovery({
      peer,
      keys,
      rendezvous: options.rendezvous ?? new HttpRendezvous(link.page, keys.tag),
      pauseMs: () => (this.#mesh.conversations.length === 0 ? this.#timing.lookMs : this.#timing.announceMs),
      found: (announcements) => this.#mesh.announced(announcements),
      told: (failure) => this.#emit({ type: 'rendezvous', failure }),
    })
    this.#measuring = setInterval(() => void this.#measure(), this.#timing.measureMs)
  }

  /** Enters a room: announces this member, looks for the others, and stays until `leave`. Losses are mended meanwhile. */
  static async join(options: RoomOptions): Promise<Room> {
    return new Room(options, await deriveKeys(options.link.secret))
  }

  /** The own id. */
  get id(): string {
    return this.#options.peer.id
  }

  get name(): string {
    return this.#name
  }

  /** Everybody else who is or was here, by name. */
  get members(): readonly MemberView[] {
    return this.#mesh.members
      .map(({ view }) => view)
      .filter(({ name }) => name !== '')
      .sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1))
  }

  /** The messages, the oldest first. */
  get entries(): readonly Entry[] {
    return this.#timeline.entries
  }

  /** Calls `listener` at each event; returns what ends that. */
  on(listener: RoomListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Sends a text to everybody.
   *
   * @throws RangeError when nothing is in it, or more than {@link MAX_TEXT_LENGTH} characters.
   */
  say(text: string): Entry {
    const clean = cleanText(text)
    if (clean === '') throw new RangeError('the message is empty')
    if (lengthOf(clean) > MAX_TEXT_LENGTH) throw new RangeError(`a message has at most ${MAX_TEXT_LENGTH} characters`)
    this.typing(false)
    return this.#publish({ type: 'text', text: clean })
  }

  /**
   * Offers a file to everybody; those who want it fetch it from here.
   *
   * @throws RangeError when it is larger than {@link MAX_FILE_BYTES}.
   */
  offer(source: FileSource): Entry {
    if (source.sizeBytes > MAX_FILE_BYTES) throw new RangeError('the file is too large')
    const name = cleanFileName(source.name, MAX_FILE_NAME_LENGTH)
    const mediaType = source.mediaType.slice(0, MAX_MEDIA_TYPE_LENGTH)
    this.#uploads.offer(this.#seq + 1, source)
    return this.#publish({ type: 'file', name, sizeBytes: source.sizeBytes, mediaType })
  }

  /** Ends an offer of this member, and those transfers of it that are under way. */
  withdraw(key: string): void {
    const entry = this.#timeline.find(key)
    if (entry?.author === this.id) this.#uploads.withdraw(entry.seq)
  }

  /** Whether the author of a file is here to give it. */
  isAvailable({ author }: Entry): boolean {
    return this.#mesh.member(author)?.conversation !== undefined
  }

  /**
   * Fetches a file from its author; resolves when all of it is in the sink and its SHA-256 is right.
   *
   * @throws {FileError} when it can't be had, is cut off, or is not what its author hashed; and the signal's reason.
   */
  async fetch(
    key: string,
    sink: FileSink,
    { signal, onProgress = () => undefined }: { readonly signal: AbortSignal; readonly onProgress?: OnProgress },
  ): Promise<void> {
    const entry = this.#timeline.find(key)
    const connection = entry && this.#mesh.member(entry.author)?.conversation?.connection
    if (entry?.body.type !== 'file' || connection === undefined) {
      throw new FileError('FileGone', 'the sender is not here any more')
    }
    const wanted = { seq: entry.seq, sizeBytes: entry.body.sizeBytes }
    await receiveFile(connection, wanted, sink, { newSha256: this.#options.newSha256, onProgress, signal })
  }

  /** Tells the others that something is being typed; said again by this call at most twice within {@link TYPING_MS}. */
  typing(on: boolean): void {
    if (!on && this.#typingSince === 0) return
    if (on && Date.now() - this.#typingSince < TYPING_MS / 2) return
    this.#typingSince = on ? Date.now() : 0
    this.#broadcast({ kind: 'typing', on })
  }

  /** Changes the own name; an empty one gives the default. */
  rename(name: string): void {
    this.#name = nameOrDefault(name, this.id)
    this.#broadcast({ kind: 'hello', name: this.#name })
  }

  /** Announces at once: the ways to reach this member have changed. */
  refresh(): void {
    this.#discovery.refresh()
  }

  /**
   * Says good-bye when what was said has arrived, which takes a second at most. The peer stays open: it is the caller's. Idempotent; never
   * rejects.
   */
  leave(): Promise<void> {
    this.#left ??= this.#leave()
    return this.#left
  }

  async #leave(): Promise<void> {
    clearInterval(this.#measuring)
    this.#uploads.withdrawAll()
    await Promise.all([this.#mesh.leave(), this.#discovery.stop()])
  }

  #publish(body: Message['body']): Entry {
    this.#seq += 1
    const message: Message = { seq: this.#seq, clock: this.#timeline.tick(), at: Date.now(), body }
    const added = this.#timeline.add(this.id, this.#name, message, true)
    if (added === undefined) throw new RangeError('the message has no place')
    this.#emit({ type: 'entry', ...added })
    this.#broadcast({ kind: 'message', message })
    return added.entry
  }

  #broadcast(frame: Frame): void {
    for (const conversation of this.#mesh.conversations) conversation.send(frame)
  }

  #greet(member: Member, conversation: Conversation): void {
    conversation.send({ kind: 'hello', name: this.#name })
    conversation.send({ kind: 'history', have: this.#timeline.history().map(({ key }) => key) })
    this.#show(member)
  }

  #take(member: Member, conversation: Conversation, frame: Frame): void {
    switch (frame.kind) {
      case 'hello':
        member.name = frame.name === '' ? nameOrDefault('', member.id) : frame.name
        return this.#show(member)
      case 'typing':
        return this.#setTyping(member, frame.on)
      case 'message':
        if (frame.message.seq <= member.lastSeq) return conversation.close(CloseCode.protocol, 'a message came twice')
        member.lastSeq = frame.message.seq
        this.#setTyping(member, false)
        return this.#add(member.id, member.name, frame.message, true)
      case 'history':
        if (this.#toldHistory.has(conversation)) return
        this.#toldHistory.add(conversation)
        return this.#tellHistory(conversation, frame.have)
      case 'past':
        // What oneself said one knows; what the member itself said long ago is as good as said now.
        if (frame.author !== this.id) this.#add(frame.author, frame.name, frame.message, frame.author === member.id)
        return
      case 'past-end':
        return
    }
  }

  #add(author: string, name: string, message: Message, direct: boolean): void {
    const added = this.#timeline.add(author, name, message, direct)
    if (added !== undefined) this.#emit({ type: 'entry', ...added })
  }

  #tellHistory(conversation: Conversation, have: readonly string[]): void {
    for (const { author, name, seq, clock, at, body } of this.#timeline.history(have)) {
      conversation.send({ kind: 'past', author, name, message: { seq, clock, at, body } })
    }
    conversation.send({ kind: 'past-end' })
  }

  #setTyping(member: Member, on: boolean): void {
    const was = member.typingTimer !== undefined
    clearTimeout(member.typingTimer)
    member.typingTimer = on ? setTimeout(() => this.#setTyping(member, false), TYPING_MS) : undefined
    if (was !== on) this.#emit({ type: 'members' })
  }

  /** Tells what changed of a member; of one that has not said its name yet, nothing. */
  #show(member: Member): void {
    const { view } = member
    const was = this.#shown.get(member)
    if (view.name !== '' && view.state !== was) {
      this.#shown.set(member, view.state)
      this.#emit({ type: 'presence', member: view, was })
    }
    this.#emit({ type: 'members' })
  }

  async #measure(): Promise<void> {
    await Promise.all(
      this.#mesh.conversations.map(async (conversation) => {
        conversation.connection.ping()
        const stats = await conversation.connection.getStats().catch(() => undefined)
        if (stats !== undefined) conversation.measured = { at: performance.now(), paths: stats.paths }
      }),
    )
    this.#mesh.forget(this.#timing.forgetMs)
    if (this.#left === undefined) this.#emit({ type: 'members' })
  }

  #emit(event: RoomEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        // A fault of whoever shows the room: it must be seen, but must not cost a member its connection.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}

/** Somebody without a name is called by the beginning of the id. */
const nameOrDefault = (name: string, id: string): string => {
  const clean = [...cleanName(name)].slice(0, MAX_NAME_LENGTH).join('')
  return clean === '' ? `guest ${id.slice(0, 4)}` : clean
}
