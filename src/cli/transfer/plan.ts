/** What a receiver asks for, file by file, from what it has already. */
import type { Hash } from 'node:crypto'
import { hashChunks, hashFile } from './hash.js'
import { chunkBytesFor, type FileEntry, type ResumePoint } from './protocol.js'
import type { TargetFolder } from './target.js'

/** One file that was asked for. */
export interface Wanted {
  readonly index: number
  readonly entry: FileEntry
  readonly names: readonly string[]
}

export type Plan =
  | (Wanted & { readonly kind: 'want' })
  | (Wanted & {
      readonly kind: 'resume'
      readonly point: ResumePoint
      /** The running SHA-256 over the bytes that are held. */
      readonly whole: Hash
    })
  | (Wanted & { readonly kind: 'compare'; readonly hash: Buffer })
  | (Wanted & { readonly kind: 'conflict' })

/** Decides how to get one file whose folder exists. */
export const planFile = async (
  wanted: Wanted,
  target: TargetFolder,
  { overwrite, signal }: { readonly overwrite: boolean; readonly signal?: AbortSignal | undefined },
): Promise<Plan> => {
  const { entry, names, index } = wanted
  const { finalSize, partSize } = await target.inspect(names)
  if (finalSize !== undefined && finalSize === entry.size) {
    const final = await target.openFinal(names)
    try {
      const { hash } = await hashFile(final, finalSize, signal)
      return { ...wanted, kind: 'compare', hash }
    } finally {
      await final.close()
    }
  }
  if (finalSize !== undefined && !overwrite) return { ...wanted, kind: 'conflict' }
  if (partSize === undefined || partSize === 0 || entry.size === 0) return { ...wanted, kind: 'want' }
  // A partial file that is longer belongs to another version of the source; its beginning may still be right.
  const held = Math.min(partSize, entry.size)
  const chunk = chunkBytesFor(held)
  const part = await target.openPart(names)
  try {
    const { hashes, whole } = await hashChunks(part, held, chunk, signal)
    return { ...wanted, kind: 'resume', point: { index, held, chunk, hashes }, whole }
  } finally {
    await part.close()
  }
}
