/** A SharedWorker: one member for all tabs of a browser that show its room. It is named by the room's link. */

import { sha256 } from '@noble/hashes/sha2.js'
import { Peer } from 'anypath'
import { CHAT_ALPN } from '../../../src/cli/chat/connection.js'
import { parseLink } from '../../../src/cli/chat/link.js'
import { Room } from '../../../src/cli/chat/room.js'
import { BlobSink } from './blob-sink.js'
import type { SharedEntry, Snapshot, TabMessage, WorkerMessage } from './shared-room-messages.js'
import { TIMING } from './tab-peer.js'

interface Entered {
  readonly peer: Peer
  readonly room: Room
  /** Own files, by the number of their message. */
  readonly files: Map<number, File>
}

declare const name: string
const tabs = new Set<MessagePort>()
let entered: Promise<Entered> | undefined
/** The file that is being offered: its message is told before the call that offers it has ended. */
let offering: File | undefined

const tell = (port: MessagePort, message: WorkerMessage): void => port.postMessage(message)

const tellAll = (message: WorkerMessage): void => {
  for (const tab of tabs) tell(tab, message)
}

const snapshotOf = ({ peer, room }: Entered): Snapshot => ({
  id: room.id,
  name: room.name,
  members: room.members,
  relay: peer.relay && { state: peer.relay.state, latencyMs: peer.relay.latencyMs },
})

const begin = async (userName: string): Promise<Entered> => {
  const link = parseLink(name)
  const peer = await Peer.create({ alpns: [CHAT_ALPN], relays: link.relay === undefined ? [] : [link.relay] })
  const room = await Room.join({ peer, link, name: userName, newSha256: () => sha256.create(), timing: TIMING })
  const here: Entered = { peer, room, files: new Map() }
  room.on((event) => {
    const own = event.type === 'entry' && event.entry.author === room.id
    if (own && offering !== undefined) here.files.set(event.entry.seq, offering)
    const entries = event.type === 'entry' ? room.entries : undefined
    tellAll({ type: 'event', snapshot: snapshotOf(here), event, entries, file: own ? offering : undefined })
  })
  peer.on('relay', ({ state }) => {
    // The ticket holds the relay only while it is connected, so the announcement has to follow.
    if (state === 'connected') room.refresh()
    tellAll({ type: 'relay', snapshot: snapshotOf(here) })
  })
  return here
}

const fileOf = ({ room, files }: Entered, entry: SharedEntry['entry']): SharedEntry => ({
  entry,
  file: entry.author === room.id ? files.get(entry.seq) : undefined,
})

const enter = async (port: MessagePort, userName: string): Promise<void> => {
  entered ??= begin(userName)
  try {
    const here = await entered
    here.peer.borrowWebRtc(port)
    const entries = here.room.entries.map((entry) => fileOf(here, entry))
    tell(port, { type: 'entered', snapshot: snapshotOf(here), entries })
    tabs.add(port)
  } catch (error) {
    entered = undefined
    tell(port, { type: 'refused', message: error instanceof Error ? error.message : String(error) })
  }
}

/** The last tab takes the member with it. */
const leave = async (port: MessagePort): Promise<void> => {
  tabs.delete(port)
  if (tabs.size > 0) return
  const last = entered
  entered = undefined
  const here = await last
  await here?.room.leave()
  await here?.peer.close()
}

const offer = ({ room }: Entered, file: File): void => {
  offering = file
  try {
    room.offer({ name: file.name, sizeBytes: file.size, mediaType: file.type, open: () => file.stream() })
  } finally {
    offering = undefined
  }
}

const fetchFile = async (
  port: MessagePort,
  { room }: Entered,
  { call, key }: TabMessage & { type: 'fetch' },
  signal: AbortSignal,
): Promise<void> => {
  const sink = new BlobSink()
  try {
    await room.fetch(key, sink, { signal, onProgress: (bytes) => tell(port, { type: 'progress', call, bytes }) })
    tell(port, { type: 'fetched', call, blob: sink.blob() })
  } catch (error) {
    tell(port, { type: 'failed', call, message: error instanceof Error ? error.message : 'failed' })
  }
}

const serve = (port: MessagePort): void => {
  const fetches = new Map<number, AbortController>()
  const take = async (message: TabMessage): Promise<void> => {
    if (message.type === 'enter') return enter(port, message.name)
    if (message.type === 'leave') return leave(port)
    if (message.type === 'cancel') return fetches.get(message.call)?.abort()
    const here = await entered
    if (here === undefined) return
    if (message.type === 'say') here.room.say(message.text)
    if (message.type === 'typing') here.room.typing(message.on)
    if (message.type === 'offer') offer(here, message.file)
    if (message.type !== 'fetch') return
    const cancel = new AbortController()
    fetches.set(message.call, cancel)
    await fetchFile(port, here, message, cancel.signal)
    fetches.delete(message.call)
  }
  // What windows say about data channels comes by the same port.
  port.addEventListener('message', ({ data }) => 'type' in data && void take(data))
  port.start()
}

Object.assign(globalThis, {
  onconnect: ({ ports: [port] }: MessageEvent) => {
    if (port !== undefined) serve(port)
  },
})
