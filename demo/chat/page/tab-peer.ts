/** The member of this tab: a peer with a fresh key on the relay of the link, and its room. */

import { sha256 } from '@noble/hashes/sha2.js'
import { type Diagnosis, Peer } from 'anypath'
import { CHAT_ALPN } from '../../../src/cli/chat/connection.js'
import type { RoomLink } from '../../../src/cli/chat/link.js'
import { Room } from '../../../src/cli/chat/room.js'
import type { Entry } from '../../../src/cli/chat/timeline.js'
import { SAMPLE_MS } from './path-timeline.js'

/** As often as the timelines of paths move. */
export const TIMING = { measureMs: SAMPLE_MS }

/** How the relay is, as the page shows it. */
export interface RelayView {
  readonly state: string
  readonly latencyMs: number | undefined
}

/** What the page needs of a room, wherever that is. */
export interface ShownRoom
  extends Pick<Room, 'id' | 'name' | 'members' | 'entries' | 'on' | 'typing' | 'isAvailable' | 'fetch' | 'leave'> {
  say(text: string): void
  /** @throws RangeError when it is too large. */
  offer(file: File): void
  /** A file that was offered here. */
  fileOf(entry: Entry): File | undefined
}

export interface TabPeer {
  readonly room: ShownRoom
  readonly relay: () => RelayView | undefined
  /** Calls the listener whenever the relay's state changes. */
  onRelay(listener: () => void): void
  /** Why others are relayed; left out where this tab has no peer of its own to ask. */
  readonly diagnose?: (signal: AbortSignal) => Promise<Diagnosis>
  /** Frees everything. */
  close(): Promise<void>
}

export const enterInTab = async (link: RoomLink, name: string): Promise<TabPeer> => {
  const peer = await Peer.create({ alpns: [CHAT_ALPN], relays: link.relay === undefined ? [] : [link.relay] })
  const room = await Room.join({ peer, link, name, newSha256: () => sha256.create(), timing: TIMING })
  const files = new Map<number, File>()
  let offering: File | undefined
  room.on((event) => {
    if (event.type === 'entry' && event.entry.author === room.id && offering) files.set(event.entry.seq, offering)
  })
  const shown: ShownRoom = {
    get id() {
      return room.id
    },
    get name() {
      return room.name
    },
    get members() {
      return room.members
    },
    get entries() {
      return room.entries
    },
    on: (listener) => room.on(listener),
    say: (text) => void room.say(text),
    typing: (on) => room.typing(on),
    isAvailable: (entry) => room.isAvailable(entry),
    fetch: (key, sink, options) => room.fetch(key, sink, options),
    leave: () => room.leave(),
    offer: (file) => {
      offering = file
      try {
        room.offer({ name: file.name, sizeBytes: file.size, mediaType: file.type, open: () => file.stream() })
      } finally {
        offering = undefined
      }
    },
    fileOf: ({ author, seq }) => (author === room.id ? files.get(seq) : undefined),
  }
  return {
    room: shown,
    relay: () => peer.relay && { state: peer.relay.state, latencyMs: peer.relay.latencyMs },
    onRelay: (listener) =>
      peer.on('relay', ({ state }) => {
        // The ticket holds the relay only while it is connected, so the announcement has to follow.
        if (state === 'connected') room.refresh()
        listener()
      }),
    diagnose: (signal) => peer.diagnose({ signal }),
    close: () => peer.close(),
  }
}
