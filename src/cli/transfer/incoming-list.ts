/** The sender's list of entries, read and checked before anything is asked for. */
import type { FrameReader } from './frames.js'
import { PathSet, printable, UnsafePath } from './paths.js'
import { decode, type Entry, FrameType, maxEntries, ProtocolError } from './protocol.js'

export interface IncomingEntry {
  readonly index: number
  readonly entry: Entry
  /** The parts of its path, all of them safe. */
  readonly names: readonly string[]
}

export interface IncomingList {
  readonly entries: readonly IncomingEntry[]
  readonly files: number
  readonly folders: number
  readonly totalBytes: number
}

/**
 * Reads the list up to its end.
 *
 * @throws {UnsafePath} on the first path that must not be written; {@link ProtocolError} when the list breaks the protocol.
 */
export const readList = async (
  frames: FrameReader,
  { portable }: { readonly portable: boolean },
): Promise<IncomingList> => {
  const paths = new PathSet({ portable })
  const entries: IncomingEntry[] = []
  let totalBytes = 0
  let files = 0
  for (;;) {
    const frame = await frames.next()
    if (frame === null) throw new ProtocolError('the sender ended the stream within its list')
    if (frame.type === FrameType.listed) {
      const listed = decode.listed(frame.payload)
      if (listed.entries !== entries.length || listed.bytes !== totalBytes) {
        throw new ProtocolError('the end of the list does not agree with the list')
      }
      return { entries, files, folders: entries.length - files, totalBytes }
    }
    if (frame.type !== FrameType.entry) throw new ProtocolError(`frame type ${frame.type} within the list`)
    if (entries.length >= maxEntries) throw new ProtocolError(`a list of more than ${maxEntries} entries`)
    const entry = decode.entry(frame.payload)
    entries.push({ index: entries.length, entry, names: paths.add(entry.path, entry.kind) })
    if (entry.kind !== 'file') continue
    files += 1
    totalBytes += entry.size
    if (!Number.isSafeInteger(totalBytes)) throw new UnsafePath(printable(entry.path), 'has an impossible size')
  }
}
