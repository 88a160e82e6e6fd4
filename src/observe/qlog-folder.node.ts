import { randomBytes } from 'node:crypto'
import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { QlogSink } from './qlog.js'

/**
 * Writes each connection's qlog into a folder of its own files, `<peer>-<connection>.sqlog`, where `<peer>` is eight random digits, so that
 * several peers may share a folder. A file that can't be written is given up silently: a
 * qlog is a diagnostic, and must not end what it describes.
 */
export function qlogFolder(path: string): QlogSink {
  mkdirSync(path, { recursive: true })
  const peer = randomBytes(4).toString('hex')
  return (connectionId) => {
    const file = createWriteStream(join(path, `${peer}-${connectionId}.sqlog`))
    file.on('error', () => {})
    return { write: (bytes) => void file.write(bytes), close: () => void file.end() }
  }
}
