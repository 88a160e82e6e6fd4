/** What a tab and the SharedWorker with its room tell each other. */

import type { MemberView } from '../../../src/cli/chat/member.js'
import type { RoomEvent } from '../../../src/cli/chat/room.js'
import type { Entry } from '../../../src/cli/chat/timeline.js'
import type { RelayView } from './tab-peer.js'

/** What is shown of a room all the time. */
export interface Snapshot {
  readonly id: string
  readonly name: string
  readonly members: readonly MemberView[]
  readonly relay: RelayView | undefined
}

/** A message as a tab shows it; the file comes with one's own. */
export interface SharedEntry {
  readonly entry: Entry
  readonly file: File | undefined
}

export type TabMessage =
  | { readonly type: 'enter'; readonly name: string }
  | { readonly type: 'say'; readonly text: string }
  | { readonly type: 'typing'; readonly on: boolean }
  | { readonly type: 'offer'; readonly file: File }
  | { readonly type: 'fetch'; readonly call: number; readonly key: string }
  | { readonly type: 'cancel'; readonly call: number }
  | { readonly type: 'leave' }

export type WorkerMessage =
  | { readonly type: 'entered'; readonly snapshot: Snapshot; readonly entries: readonly SharedEntry[] }
  | { readonly type: 'refused'; readonly message: string }
  | {
      readonly type: 'event'
      readonly snapshot: Snapshot
      readonly event: RoomEvent
      /** All messages, when there is another one. */
      readonly entries: readonly Entry[] | undefined
      readonly file: File | undefined
    }
  | { readonly type: 'relay'; readonly snapshot: Snapshot }
  | { readonly type: 'progress'; readonly call: number; readonly bytes: number }
  | { readonly type: 'fetched'; readonly call: number; readonly blob: Blob }
  | { readonly type: 'failed'; readonly call: number; readonly message: string }
