/** Receives a ticket's files over as many connections as it takes: when the sender goes away, waits for it and resumes. */
import type { Connection, Peer } from '../../entry/node.js'
import { type Context, orAborted, sleep } from '../context.js'
import { CliError, ExitCode, toCliError } from '../exit.js'
import { formatBytes, formatDuration, plural } from '../format.js'
import { ClosedByRemote, dialTicket, endOf, watchStats } from '../peer.js'
import { Progress } from '../progress.js'
import type { IncomingList } from './incoming-list.js'
import { printable, UnsafePath } from './paths.js'
import { CloseCode, ProtocolError, transferAlpn } from './protocol.js'
import { type FileResult, receiveTransfer } from './receiver.js'
import type { TargetFolder } from './target.js'

const defaultWaitMs = 5 * 60_000
const firstBackoffMs = 500
const longestBackoffMs = 10_000

export interface ReceptionOptions {
  readonly secret: Uint8Array
  readonly target: TargetFolder
}

export interface ReceptionSummary {
  /** Files that are in place now. */
  readonly files: number
  readonly bytes: number
  readonly receivedBytes: number
  /** Bytes that were here from before, as parts of unfinished files. */
  readonly resumedBytes: number
  readonly identical: number
  readonly failed: readonly FileResult[]
  readonly elapsedMs: number
  readonly sessions: number
}

const awayCodes: ReadonlySet<string> = new Set([
  'IdleTimeout',
  'PeerRestarted',
  'ClosedByPeer',
  'TransportClosedByPeer',
  'StreamReset',
  'StreamStopped',
  'StreamClosed',
  'Unreachable',
  'Refused',
  'TransportFailed',
])

/** Whether the sender is only away, so that waiting for it makes sense. */
const isAway = (error: unknown): boolean =>
  !(error instanceof CliError && error.exitCode === ExitCode.refused) && awayCodes.has(toCliError(error).code)

export class Reception {
  readonly #context: Context
  readonly #peer: Peer
  readonly #options: ReceptionOptions
  readonly #progress: Progress
  readonly #results = new Map<string, FileResult>()
  readonly #startedAt = performance.now()
  #resumedBytes = 0
  #sessions = 0
  #list: IncomingList | undefined

  constructor(context: Context, peer: Peer, options: ReceptionOptions) {
    this.#context = context
    this.#peer = peer
    this.#options = options
    this.#progress = new Progress(context.output, 'receiving')
  }

  /** Whether a sender has told what it has. */
  get listed(): boolean {
    return this.#list !== undefined
  }

  get summary(): ReceptionSummary {
    const results = [...this.#results.values()]
    const here = results.filter(({ outcome }) => outcome === 'received' || outcome === 'identical')
    return {
      files: here.length,
      bytes: here.reduce((sum, { size }) => sum + size, 0),
      receivedBytes: this.#progress.movedBytes,
      resumedBytes: this.#resumedBytes,
      identical: results.filter(({ outcome }) => outcome === 'identical').length,
      failed: results.filter((file) => !here.includes(file)),
      elapsedMs: Math.round(performance.now() - this.#startedAt),
      sessions: this.#sessions,
    }
  }

  /** Resolves when the sender has answered for every file, whatever the answers were. */
  async run(): Promise<void> {
    const { values, output, signal } = this.#context
    const wait = values.durationMs('wait')
    let awaySince: number | undefined
    let backoffMs = firstBackoffMs
    for (;;) {
      const movedBefore = this.#progress.movedBytes
      try {
        return await this.#session()
      } catch (error) {
        signal.throwIfAborted()
        const waitMs = wait ?? (this.listed ? defaultWaitMs : 0)
        const now = performance.now()
        if (awaySince === undefined || this.#progress.movedBytes > movedBefore) {
          awaySince = now
          backoffMs = firstBackoffMs
        }
        const { code, message } = toCliError(error)
        if (!isAway(error) || now - awaySince >= waitMs) throw error
        const leftMs = waitMs - (now - awaySince)
        output.event('away', { code, message, retryInMs: backoffMs, givingUpInMs: Math.round(leftMs) })
        output.note(`The sender is away (${message}). Waiting for it, at most ${formatDuration(leftMs)} more.`)
        await sleep(backoffMs, signal)
        backoffMs = Math.min(longestBackoffMs, backoffMs * 2)
      }
    }
  }

  async #session(): Promise<void> {
    const { values, signal } = this.#context
    const connection = await dialTicket(this.#context, this.#peer, values.argument(0), transferAlpn)
    this.#sessions += 1
    const tellStats = watchStats(this.#context, connection)
    try {
      const stream = await orAborted(connection.createBidirectionalStream(), signal)
      await receiveTransfer(stream, {
        ...this.#options,
        signal,
        overwrite: values.flag('overwrite'),
        portable: !values.flag('any-names'),
        isDone: (path, size) => this.#isDone(path, size),
        onList: (list) => this.#listed(list),
        onStart: (file) => this.#began(file),
        onBytes: (bytes) => this.#progress.moved(bytes),
        onFile: (file) => this.#settled(file),
      })
      this.#progress.stop()
      await tellStats()
      connection.close({ closeCode: CloseCode.done })
    } catch (error) {
      this.#progress.stop()
      const reason = await reasonOf(connection, error)
      connection.close(closeInfoFor(reason, signal))
      throw reason
    }
  }

  #isDone(path: string, size: number): boolean {
    const known = this.#results.get(path)
    return known?.size === size && (known.outcome === 'received' || known.outcome === 'identical')
  }

  #listed(list: IncomingList): void {
    const { output } = this.#context
    const { files, folders, totalBytes } = list
    if (this.#list === undefined) {
      output.event('offered', { files, folders, totalBytes })
      output.note(`${plural(files, 'file')}, ${formatBytes(totalBytes)} are offered.`)
    }
    this.#list = list
    this.#progress.rewind()
    this.#progress.totalBytes = totalBytes
    for (const { entry } of list.entries) {
      if (entry.kind === 'file' && this.#isDone(entry.path, entry.size)) this.#progress.skipped(entry.size)
    }
    this.#progress.start()
  }

  #began({ path, size, offset, held }: { path: string; size: number; offset: number; held: number }): void {
    if (held === 0) return
    const { output } = this.#context
    this.#progress.skipped(offset)
    this.#resumedBytes += offset
    output.event('resumed', { path, size, heldBytes: held, offset, repeatedBytes: held - offset })
    const damaged = offset === held ? '' : ` (${formatBytes(held - offset)} that were here are not what the sender has)`
    output.note(`${printable(path)}: going on from ${formatBytes(offset)} of ${formatBytes(size)}${damaged}`)
  }

  #settled(file: FileResult): void {
    const { output } = this.#context
    this.#results.set(file.path, file)
    if (file.outcome === 'identical') this.#progress.skipped(file.size)
    output.event('file', { ...file })
    if (file.reason !== undefined) output.warn(`${printable(file.path)}: ${file.reason}`)
  }
}

/** What ended a session, with the sender's close codes understood. */
const reasonOf = async (connection: Connection, error: unknown): Promise<unknown> => {
  const end = await endOf(connection, error)
  if (!(end instanceof ClosedByRemote)) return end
  const shown = end.reason === '' ? '' : `: ${end.reason}`
  switch (end.closeCode) {
    case CloseCode.wrongSecret:
      return new CliError(ExitCode.refused, 'WrongSecret', `the sender refused the secret of this ticket${shown}`)
    case CloseCode.protocol:
      return new CliError(ExitCode.protocol, 'ProtocolViolation', `the sender gave up${shown}`)
    case CloseCode.localError:
      return new CliError(ExitCode.lost, 'SenderFailed', `the sender could not go on${shown}`)
    default:
      return end
  }
}

const closeInfoFor = (error: unknown, signal: AbortSignal): { closeCode: number; reason: string } => {
  if (signal.aborted) return { closeCode: CloseCode.stopped, reason: 'stopped' }
  if (error instanceof UnsafePath || error instanceof ProtocolError)
    return { closeCode: CloseCode.protocol, reason: error.message }
  return { closeCode: CloseCode.localError, reason: 'the receiver could not go on' }
}
