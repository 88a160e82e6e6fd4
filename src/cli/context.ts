/** What a command is given to do its work. */
import type { Readable, Writable } from 'node:stream'
import type { CommandSpec, Values } from './args.js'
import type { Output } from './output.js'

export interface Context {
  readonly values: Values
  readonly output: Output
  readonly env: NodeJS.ProcessEnv
  readonly stdin: Readable
  readonly stdout: Writable
  /** Fires with `Interrupted` at the first Ctrl-C: the command closes what it has open and rejects. */
  readonly signal: AbortSignal
}

export interface Command {
  readonly spec: CommandSpec
  /** Whether stdout carries data, so that JSON lines have to go to stderr. */
  readonly stdoutIsData?: boolean
  /** Whether the command answers signals itself, instead of being told by `signal`. */
  readonly handlesSignals?: boolean
  /** Resolves when the work is done; rejects with what went wrong. */
  readonly run: (context: Context) => Promise<void>
}

/** Rejects with the signal's reason when it fires before the promise settles. */
export const orAborted = async <T>(promise: Promise<T>, signal: AbortSignal): Promise<T> => {
  signal.throwIfAborted()
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}

/** Waits; rejects with the signal's reason when it fires. */
export const sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const slept = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  try {
    await orAborted(slept, signal)
  } finally {
    clearTimeout(timer)
  }
}
