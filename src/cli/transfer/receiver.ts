/**
 * One receiving session: asks for each file of the list without waiting, and takes the answers in the order of the requests.
 *
 * Two loops run beside each other. The asking loop looks at the target folder and writes requests; the taking loop reads
 * answers and writes files. The taking loop never waits for the asking one, so that a sender which can't write to us always
 * gets its answer read.
 */
import { CliError, ExitCode } from '../exit.js'
import { AnswerTaker } from './answers.js'
import { ByteReader, ByteWriter } from './bytes.js'
import { FrameReader } from './frames.js'
import { type IncomingList, readList } from './incoming-list.js'
import { type Plan, planFile } from './plan.js'
import { decode, encode, FrameType, ProtocolError } from './protocol.js'
import { BoundedQueue } from './queue.js'
import type { ByteStream } from './sender.js'
import type { TargetFolder } from './target.js'

export type FileOutcome =
  /** Whole and under its final name now. */
  | 'received'
  /** Was there already, with the same hash. */
  | 'identical'
  /** Something else is there, and may not be overwritten. */
  | 'conflict'
  /** The sender can't serve it, or it changed while it was being sent. */
  | 'unavailable'
  /** Its bytes are not what its hash says. */
  | 'corrupt'

export interface FileResult {
  readonly path: string
  readonly size: number
  readonly outcome: FileOutcome
  /** How many bytes were there from before. */
  readonly offset: number
  /** How many bytes came over the connection. */
  readonly receivedBytes: number
  /** SHA-256 of the whole file in hex; for received and identical files. */
  readonly sha256?: string
  /** Why, where it is not here now. */
  readonly reason?: string
}

export interface ReceiverOptions {
  readonly secret: Uint8Array
  readonly target: TargetFolder
  readonly overwrite: boolean
  /** Refuse names that only some systems can hold. */
  readonly portable: boolean
  /** Files that an earlier session of this process has finished, by path and size: they are not asked for again. */
  readonly isDone?: (path: string, size: number) => boolean
  readonly onList?: (list: IncomingList) => void
  /** Where the answer to a request for a file begins; `held` is what was there. */
  readonly onStart?: (file: { path: string; size: number; offset: number; held: number }) => void
  /** Called with the length of each piece that came. */
  readonly onBytes?: (bytes: number) => void
  readonly onFile?: (file: FileResult) => void
  readonly signal?: AbortSignal
}

const lookAhead = 16
const farewellMs = 5_000

class ReceiverSession {
  readonly #options: ReceiverOptions
  readonly #reader: ByteReader
  readonly #frames: FrameReader
  readonly #writer: ByteWriter
  readonly #answers: AnswerTaker
  readonly #stop = new AbortController()
  #farewell: NodeJS.Timeout | undefined
  #neededBytes = 0
  #freeBytes = 0

  constructor(stream: ByteStream, options: ReceiverOptions) {
    this.#options = options
    this.#reader = new ByteReader(stream.readable)
    this.#frames = new FrameReader(this.#reader)
    this.#writer = new ByteWriter(stream.writable)
    this.#answers = new AnswerTaker(this.#frames, options, (error) => this.#fail(error))
    options.signal?.addEventListener('abort', () => this.#fail(options.signal?.reason), { once: true })
  }

  async run(): Promise<void> {
    try {
      await this.#writer.write(encode.hello(this.#options.secret))
      const welcome = await this.#frames.next()
      if (welcome?.type !== FrameType.welcome) throw new ProtocolError('the sender did not begin with WELCOME')
      decode.welcome(welcome.payload)
      const list = await readList(this.#frames, this.#options)
      this.#options.onList?.(list)
      this.#freeBytes = await this.#options.target.freeBytes()
      const loops = [this.#ask(list), this.#answers.run()].map((loop) => loop.catch((error) => this.#fail(error)))
      await Promise.all(loops)
      this.#stop.signal.throwIfAborted()
      await this.#syncFolders(list)
    } catch (error) {
      this.#fail(error)
      await this.#answers.close()
      throw this.#stop.signal.reason
    } finally {
      clearTimeout(this.#farewell)
    }
  }

  /** Ends both loops; the first reason is the one that is reported. */
  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort(error)
    this.#answers.stop()
    void this.#writer.abort(error)
    void this.#reader.cancel(error)
  }

  async #ask(list: IncomingList): Promise<void> {
    const plans = new BoundedQueue<Promise<Plan>>(lookAhead)
    void this.#planAll(list, plans)
    for (;;) {
      if (plans.empty) await this.#writer.flush()
      const plan = await plans.shift()
      if (plan === undefined) break
      await this.#request(await plan)
    }
    await this.#writer.flush()
    for (;;) {
      const again = await this.#answers.nextOverwrite(this.#stop.signal)
      if (again === undefined) break
      await this.#request({ ...again, kind: 'want' })
      await this.#writer.flush()
    }
    await this.#writer.gather(encode.done())
    // Everything is here. The end of the sender's stream is good manners, and not worth waiting for long.
    this.#farewell = setTimeout(() => void this.#reader.cancel(), farewellMs)
    await this.#writer.close()
  }

  /** Creates the folders, and plans the files ahead of their turn. */
  async #planAll({ entries }: IncomingList, plans: BoundedQueue<Promise<Plan>>): Promise<void> {
    const { target, overwrite, isDone } = this.#options
    try {
      for (const { index, entry, names } of entries) {
        this.#stop.signal.throwIfAborted()
        await target.ensureFolder(entry.kind === 'folder' ? names : names.slice(0, -1))
        if (entry.kind === 'folder' || isDone?.(entry.path, entry.size)) continue
        const plan = planFile({ index, entry, names }, target, { overwrite, signal: this.#stop.signal })
        plan.catch(() => undefined)
        await plans.push(plan)
      }
      plans.end()
    } catch (error) {
      plans.fail(error)
    }
  }

  async #request(plan: Plan): Promise<void> {
    const { index } = plan
    if (plan.kind === 'conflict') return this.#answers.conflict(plan)
    this.#reserve(plan)
    this.#answers.expect(plan)
    if (plan.kind === 'want') await this.#writer.gather(encode.want(index))
    else if (plan.kind === 'resume') await this.#writer.gather(encode.resume(plan.point))
    else await this.#writer.gather(encode.compare(index, plan.hash))
  }

  /** @throws {CliError} `ENOSPC` before the first byte that would not fit is asked for. */
  #reserve(plan: Plan): void {
    if (plan.kind === 'compare') return
    this.#neededBytes += plan.entry.size - (plan.kind === 'resume' ? plan.point.held : 0)
    if (this.#neededBytes <= this.#freeBytes) return
    const { root } = this.#options.target
    const message = `${root}: no space left on the disk: ${this.#neededBytes} bytes are needed and ${this.#freeBytes} are free (ENOSPC)`
    throw new CliError(ExitCode.localIo, 'ENOSPC', message)
  }

  async #syncFolders({ entries }: IncomingList): Promise<void> {
    const folders = new Map<string, readonly string[]>([['', []]])
    for (const { names } of entries) folders.set(names.slice(0, -1).join('/'), names.slice(0, -1))
    for (const names of folders.values()) await this.#options.target.syncFolder(names)
  }
}

/**
 * Receives everything that the sender offers into the target folder, on a stream opened for it.
 *
 * Results are told by `onFile`; a file that can't be had does not end the session. Partial files are kept whatever happens.
 *
 * @throws {UnsafePath} and {@link ProtocolError} when the sender misbehaves, a system error when the disk does, and the
 * stream's error when the connection is lost.
 */
export const receiveTransfer = (stream: ByteStream, options: ReceiverOptions): Promise<void> =>
  new ReceiverSession(stream, options).run()
