/** What is wrong with one file of the sender, as the receiver is told. */
import { toCliError } from '../exit.js'
import { printable } from './paths.js'
import { FailReason } from './protocol.js'
import { SourceChanged } from './source-file.js'

export interface Failure {
  readonly reason: number
  readonly message: string
}

/** The failure that a receiver is told about for a file that can't be served; errors that are not about the file are thrown on. */
export const failureOf = (error: unknown): Failure => {
  if (error instanceof SourceChanged) return { reason: FailReason.changed, message: error.message }
  const { code, syscall } = error as NodeJS.ErrnoException
  if (typeof syscall !== 'string' || code === undefined) throw error
  // Without the path: it would tell the receiver where the sender keeps its files.
  const reason = toCliError(error).message
  return { reason: FailReason.unreadable, message: printable(reason.slice(reason.lastIndexOf(': ') + 1).trim()) }
}
