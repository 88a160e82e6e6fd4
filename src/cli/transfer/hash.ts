/** SHA-256 of files: whole, and chunk by chunk for resuming. */
import { createHash, type Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { hashBytes } from './protocol.js'

const readBytes = 1024 * 1024

/** A running SHA-256. */
export const sha256 = (): Hash => createHash('sha256')

export const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/**
 * Hands on the bytes of a file from `start` to `end`, in pieces that never cross a multiple of `chunk`.
 *
 * @returns how many bytes there were; fewer than asked for when the file is shorter.
 */
export const readChunks = async (
  file: FileHandle,
  [start, end]: readonly [number, number],
  chunk: number,
  onBytes: (bytes: Uint8Array, endsChunk: boolean) => void | Promise<void>,
  signal?: AbortSignal,
): Promise<number> => {
  const buffer = new Uint8Array(Math.min(readBytes, chunk))
  let position = start
  while (position < end) {
    signal?.throwIfAborted()
    const untilBoundary = chunk - (position % chunk)
    const length = Math.min(buffer.length, untilBoundary, end - position)
    const { bytesRead } = await file.read(buffer, 0, length, position)
    if (bytesRead === 0) break
    position += bytesRead
    await onBytes(buffer.subarray(0, bytesRead), position % chunk === 0 || position === end)
  }
  return position - start
}

/** SHA-256 of the first `size` bytes of a file, as digest and as running hash, and how many bytes were there. */
export const hashFile = async (
  file: FileHandle,
  size: number,
  signal?: AbortSignal,
): Promise<{ hash: Buffer; running: Hash; read: number }> => {
  const running = sha256()
  const read = await readChunks(file, [0, size], readBytes, (bytes) => void running.update(bytes), signal)
  return { hash: running.copy().digest(), running, read }
}

/** The SHA-256 of each chunk of the first `size` bytes, one behind the other, and the running SHA-256 over all of them. */
export const hashChunks = async (
  file: FileHandle,
  size: number,
  chunk: number,
  signal?: AbortSignal,
): Promise<{ hashes: Uint8Array; whole: Hash }> => {
  const hashes = new Uint8Array(hashBytes * Math.ceil(size / chunk))
  const whole = sha256()
  let current = sha256()
  let count = 0
  const feed = (bytes: Uint8Array, endsChunk: boolean): void => {
    whole.update(bytes)
    current.update(bytes)
    if (!endsChunk) return
    hashes.set(current.digest(), hashBytes * count++)
    current = sha256()
  }
  const read = await readChunks(file, [0, size], chunk, feed, signal)
  if (read !== size) throw new Error('the file became shorter while it was read')
  return { hashes, whole }
}

/**
 * Finds how many of the bytes that a receiver holds are also the first bytes of this file, by whole chunks.
 *
 * @returns that number, and the running SHA-256 over exactly those bytes.
 */
export const matchChunks = async (
  file: FileHandle,
  point: { readonly held: number; readonly chunk: number; readonly hashes: Uint8Array },
  signal?: AbortSignal,
): Promise<{ matched: number; whole: Hash }> => {
  let matched = 0
  let whole = sha256()
  for (let count = 0; matched < point.held; count++) {
    const end = Math.min(matched + point.chunk, point.held)
    const chunkHash = sha256()
    const extended = whole.copy()
    const feed = (bytes: Uint8Array): void => {
      chunkHash.update(bytes)
      extended.update(bytes)
    }
    const read = await readChunks(file, [matched, end], point.chunk, feed, signal)
    const expected = point.hashes.subarray(hashBytes * count, hashBytes * (count + 1))
    if (read !== end - matched || !chunkHash.digest().equals(expected)) break
    whole = extended
    matched = end
  }
  return { matched, whole }
}
