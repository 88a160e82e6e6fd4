/** A room whose member lives in a SharedWorker, as a tab shows it. */
import { Peer } from 'anypath'
import { FileError, type FileSink, type OnProgress } from '../../../src/cli/chat/files.js'
import { formatLink, type RoomLink } from '../../../src/cli/chat/link.js'
import type { MemberView } from '../../../src/cli/chat/member.js'
import type { RoomListener } from '../../../src/cli/chat/room.js'
import type { Entry } from '../../../src/cli/chat/timeline.js'
import type { SharedEntry, Snapshot, TabMessage, WorkerMessage } from './shared-room-messages.js'
import type { ShownRoom, TabPeer } from './tab-peer.js'

interface Fetching {
  readonly sink: FileSink
  readonly onProgress: OnProgress
  resolve(): void
  reject(error: unknown): void
}

/** Enters the room in its SharedWorker, or finds it there, and lends that this tab's WebRTC. */
export const enterShared = async (link: RoomLink, name: string): Promise<TabPeer> => {
  const { port } = new SharedWorker('/room-worker.js', { type: 'module', name: formatLink(link) })
  const entering = new Promise<WorkerMessage & { type: 'entered' }>((resolve, reject) => {
    port.addEventListener('message', ({ data }: MessageEvent<WorkerMessage>) => {
      if (data.type === 'entered') resolve(data)
      if (data.type === 'refused') reject(new Error(data.message))
    })
  })
  port.start()
  port.postMessage({ type: 'enter', name } satisfies TabMessage)
  const { snapshot, entries } = await entering
  // The worker listens for that now. Where there is none the room stays on its relay.
  const endLending = await Peer.lendWebRtc(port).catch(() => () => undefined)
  const room = new SharedRoom(port, snapshot, entries)
  return {
    room,
    relay: () => room.snapshot.relay,
    onRelay: (listener) => room.onRelay(listener),
    close: async () => endLending(),
  }
}

class SharedRoom implements ShownRoom {
  snapshot: Snapshot
  entries: readonly Entry[] = []
  readonly #port: MessagePort
  readonly #known: readonly SharedEntry[]
  readonly #files = new Map<string, File>()
  readonly #fetching = new Map<number, Fetching>()
  #listener: RoomListener | undefined
  #relayListener: () => void = () => undefined
  #lastCall = 0

  constructor(port: MessagePort, snapshot: Snapshot, entries: readonly SharedEntry[]) {
    this.#port = port
    this.snapshot = snapshot
    this.#known = entries
    port.addEventListener('message', ({ data }: MessageEvent<WorkerMessage>) => void this.#take(data))
  }

  get id(): string {
    return this.snapshot.id
  }

  get name(): string {
    return this.snapshot.name
  }

  get members(): readonly MemberView[] {
    return this.snapshot.members
  }

  /** The first listener is told what was said before. */
  on(listener: RoomListener): () => void {
    this.#listener = listener
    queueMicrotask(() => {
      for (const [index, { entry, file }] of this.#known.entries()) {
        if (file !== undefined) this.#files.set(entry.key, file)
        this.entries = this.#known.slice(0, index + 1).map(({ entry: shown }) => shown)
        this.#listener?.({ type: 'entry', entry, index })
      }
    })
    return () => {
      this.#listener = undefined
    }
  }

  onRelay(listener: () => void): void {
    this.#relayListener = listener
  }

  say(text: string): void {
    this.#tell({ type: 'say', text })
  }

  typing(on: boolean): void {
    this.#tell({ type: 'typing', on })
  }

  offer(file: File): void {
    this.#tell({ type: 'offer', file })
  }

  fileOf(entry: Entry): File | undefined {
    return this.#files.get(entry.key)
  }

  isAvailable({ author }: Entry): boolean {
    return this.members.some(({ id, state }) => id === author && (state === 'connected' || state === 'silent'))
  }

  async fetch(
    key: string,
    sink: FileSink,
    { signal, onProgress = () => undefined }: { readonly signal: AbortSignal; readonly onProgress?: OnProgress },
  ): Promise<void> {
    this.#lastCall += 1
    const call = this.#lastCall
    signal.addEventListener('abort', () => this.#tell({ type: 'cancel', call }))
    await new Promise<void>((resolve, reject) => {
      this.#fetching.set(call, { sink, onProgress, resolve, reject })
      this.#tell({ type: 'fetch', call, key })
    }).finally(() => this.#fetching.delete(call))
  }

  async leave(): Promise<void> {
    this.#tell({ type: 'leave' })
  }

  async #take(message: WorkerMessage): Promise<void> {
    if (message.type === 'event') {
      this.snapshot = message.snapshot
      this.entries = message.entries ?? this.entries
      if (message.event.type === 'entry' && message.file) this.#files.set(message.event.entry.key, message.file)
      this.#listener?.(message.event)
    }
    if (message.type === 'relay') {
      this.snapshot = message.snapshot
      this.#relayListener()
    }
    if (!('call' in message)) return
    const fetching = this.#fetching.get(message.call)
    if (message.type === 'progress') fetching?.onProgress(message.bytes)
    if (message.type === 'failed') fetching?.reject(new FileError('FileLost', message.message))
    if (message.type !== 'fetched' || fetching === undefined) return
    try {
      const reader = message.blob.stream().getReader()
      for (let next = await reader.read(); !next.done; next = await reader.read()) await fetching.sink.write(next.value)
      fetching.resolve()
    } catch (error) {
      fetching.reject(error)
    }
  }

  #tell(message: TabMessage): void {
    this.#port.postMessage(message)
  }
}
