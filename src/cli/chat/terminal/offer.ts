/** A file of the disk as something to offer. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { Readable } from 'node:stream'
import { CliError, ExitCode } from '../../exit.js'
import type { FileSource } from '../files.js'

/** The types that a browser shows as a picture; for everything else the name says enough. */
const mediaTypes: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
}

/**
 * Describes a file; its bytes are read when somebody fetches it.
 *
 * @throws {CliError} when it is not a file; system errors when it is not there.
 */
export const sourceOf = async (path: string): Promise<FileSource> => {
  const found = await stat(path)
  if (!found.isFile()) throw new CliError(ExitCode.localIo, 'NotAFile', `${path} is not a file`)
  return {
    name: basename(path),
    sizeBytes: found.size,
    mediaType: mediaTypes[extname(path).toLowerCase()] ?? 'application/octet-stream',
    open: () => Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>,
  }
}
