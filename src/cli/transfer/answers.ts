/** The receiver's taking loop: answers arrive in the order of the requests, and become files. */
import { CliError, ExitCode } from '../exit.js'
import type { Frame, FrameReader } from './frames.js'
import { sha256, toHex } from './hash.js'
import { PartFile, writeSmall } from './part-file.js'
import { printable } from './paths.js'
import type { Plan, Wanted } from './plan.js'
import { decode, FailReason, FrameType, ProtocolError } from './protocol.js'
import type { FileOutcome, ReceiverOptions } from './receiver.js'
import { TaskPool } from './task-pool.js'

type ContentPlan = Extract<Plan, { kind: 'want' | 'resume' }>

const smallFileBytes = 128 * 1024
const filesAtOnce = 16

/** The file whose content is arriving. */
interface Current {
  readonly plan: ContentPlan
  readonly offset: number
  /** Bytes that came for it so far. */
  received: number
  /** A small file is gathered in memory, a large one goes to its partial file. */
  readonly sink: { readonly small: Uint8Array } | { readonly part: PartFile }
}

export class AnswerTaker {
  readonly #frames: FrameReader
  readonly #options: ReceiverOptions
  readonly #pool: TaskPool
  /** Requests that are not answered yet, in their order. */
  readonly #expected: Plan[] = []
  /** Existing files that turned out to be different and may be overwritten. */
  readonly #overwrites: Wanted[] = []
  /** Files asked for that are not settled yet, those being written out included. */
  #unsettled = 0
  #current: Current | undefined
  #stopped = false
  #wake: (() => void) | undefined

  constructor(frames: FrameReader, options: ReceiverOptions, onError: (error: unknown) => void) {
    this.#frames = frames
    this.#options = options
    this.#pool = new TaskPool(filesAtOnce, onError)
  }

  /** Announces a request that is about to be written. */
  expect(plan: Plan): void {
    this.#expected.push(plan)
    this.#unsettled += 1
  }

  /** Reports a file that is not asked for because something else has its name. */
  conflict(wanted: Wanted): void {
    this.#report(wanted, 'conflict', { reason: 'another file has this name; --overwrite replaces it' })
  }

  /** The next file to ask for again, to overwrite what is there; `undefined` once every file is settled. */
  async nextOverwrite(signal: AbortSignal): Promise<Wanted | undefined> {
    for (;;) {
      signal.throwIfAborted()
      const wanted = this.#overwrites.shift()
      if (wanted !== undefined) return wanted
      if (this.#unsettled === 0) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Reads answers until the sender ends the stream. */
  async run(): Promise<void> {
    for (;;) {
      const frame = await this.#frames.next()
      if (this.#stopped) return
      if (frame === null) break
      await this.#take(frame)
    }
    if (this.#current !== undefined || this.#expected.length > 0) {
      throw new ProtocolError('the sender ended the stream before it had answered everything')
    }
    await this.#pool.idle()
  }

  /** Makes {@link nextOverwrite} look at its signal. */
  stop(): void {
    this.#stopped = true
    this.#notify()
  }

  /** Closes what is open; partial files keep what has come. */
  async close(): Promise<void> {
    await this.#pool.idle()
    const current = this.#current
    this.#current = undefined
    if (current !== undefined && 'part' in current.sink) await current.sink.part.close()
  }

  #notify(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  #settle(): void {
    this.#unsettled -= 1
    this.#notify()
  }

  async #take(frame: Frame): Promise<void> {
    switch (frame.type) {
      case FrameType.file:
        return this.#begin(decode.file(frame.payload))
      case FrameType.data:
        return this.#data()
      case FrameType.fileEnd:
        return this.#end(decode.fileEnd(frame.payload))
      case FrameType.same:
        return this.#same(decode.index(frame.payload))
      case FrameType.different:
        return this.#different(decode.index(frame.payload))
      case FrameType.failed:
        return this.#failed(decode.failed(frame.payload))
      default:
        throw new ProtocolError(`frame type ${frame.type} is not an answer`)
    }
  }

  /** The request that an answer is for. */
  #answered(index: number): Plan {
    const plan = this.#current === undefined ? this.#expected.shift() : undefined
    if (plan?.index !== index) throw new ProtocolError(`the sender answered for entry ${index} out of turn`)
    return plan
  }

  async #begin({ index, offset }: { index: number; offset: number }): Promise<void> {
    const plan = this.#answered(index)
    if (plan.kind !== 'want' && plan.kind !== 'resume') throw new ProtocolError('content that was not asked for')
    const held = plan.kind === 'resume' ? plan.point.held : 0
    if (offset > held) throw new ProtocolError('the sender left out a part of a file')
    const { entry, names } = plan
    this.#options.onStart?.({ path: entry.path, size: entry.size, offset, held })
    const known = plan.kind === 'resume' && offset === held ? plan.whole : undefined
    const sink =
      plan.kind === 'want' && entry.size <= smallFileBytes
        ? { small: new Uint8Array(entry.size) }
        : { part: await PartFile.open(this.#options.target, names, offset, known) }
    this.#current = { plan, offset, received: 0, sink }
  }

  async #data(): Promise<void> {
    const current = this.#current
    if (current === undefined) throw new ProtocolError('DATA outside a file')
    const { plan, sink, offset } = current
    for (let piece = await this.#frames.readData(); piece !== null; piece = await this.#frames.readData()) {
      if (offset + current.received + piece.length > plan.entry.size) {
        throw new ProtocolError(`${printable(plan.entry.path)} is longer than its list entry says`)
      }
      if ('small' in sink) sink.small.set(piece, current.received)
      else await sink.part.append(piece)
      current.received += piece.length
      this.#options.onBytes?.(piece.length)
    }
  }

  async #end(expected: Uint8Array): Promise<void> {
    const current = this.#current
    if (current === undefined) throw new ProtocolError('FILE_END outside a file')
    const { plan, offset, received, sink } = current
    if (offset + received !== plan.entry.size)
      throw new ProtocolError(`${printable(plan.entry.path)} is shorter than listed`)
    if ('small' in sink) {
      this.#current = undefined
      await this.#pool.start(async () => {
        const hash = sha256().update(sink.small).digest()
        if (hash.equals(expected)) await writeSmall(this.#options.target, plan, sink.small)
        await this.#finish(current, hash, expected)
      })
      return
    }
    const hash = await sink.part.complete(plan)
    await sink.part.close()
    this.#current = undefined
    await this.#finish(current, hash, expected)
  }

  /** Gives a file that is on the disk its name, if it is what its hash says. */
  async #finish({ plan, offset, received }: Current, hash: Buffer, expected: Uint8Array): Promise<void> {
    const { target, overwrite } = this.#options
    const counts = { offset, receivedBytes: received }
    if (!hash.equals(expected)) {
      await target.removePart(plan.names)
      this.#report(plan, 'corrupt', { ...counts, reason: `its SHA-256 is ${toHex(hash)}, not ${toHex(expected)}` })
    } else if (await target.publish(plan.names, overwrite)) {
      this.#report(plan, 'received', { ...counts, sha256: toHex(hash) })
    } else {
      this.#report(plan, 'conflict', { ...counts, reason: 'another file took this name while it was received' })
    }
    this.#settle()
  }

  async #same(index: number): Promise<void> {
    const plan = this.#answered(index)
    if (plan.kind !== 'compare') throw new ProtocolError('SAME without COMPARE')
    await this.#options.target.removePart(plan.names)
    this.#report(plan, 'identical', { offset: plan.entry.size, sha256: toHex(plan.hash) })
    this.#settle()
  }

  #different(index: number): void {
    const plan = this.#answered(index)
    if (plan.kind !== 'compare') throw new ProtocolError('DIFFERENT without COMPARE')
    if (this.#options.overwrite) this.#overwrites.push(plan)
    else this.conflict(plan)
    this.#settle()
  }

  async #failed({ index, reason, text }: { index: number; reason: number; text: string }): Promise<void> {
    const current = this.#current
    this.#current = undefined
    const plan = current === undefined ? this.#answered(index) : current.plan
    if (plan.index !== index) throw new ProtocolError(`the sender failed entry ${index} out of turn`)
    if (current !== undefined && 'part' in current.sink) await current.sink.part.close()
    const what = reason === FailReason.changed ? 'it changed on the sender' : 'the sender cannot read it'
    const counts = { offset: current?.offset ?? 0, receivedBytes: current?.received ?? 0 }
    this.#report(plan, 'unavailable', { ...counts, reason: `${what}: ${printable(text)}` })
    this.#settle()
  }

  #report(
    { entry }: Wanted,
    outcome: FileOutcome,
    more: { offset?: number; receivedBytes?: number; sha256?: string; reason?: string },
  ): void {
    this.#options.onFile?.({ path: entry.path, size: entry.size, outcome, offset: 0, receivedBytes: 0, ...more })
  }
}

/** The error that a whole transfer ends with when some of its files are not there. */
export const failureOfFiles = (
  failed: readonly { readonly path: string; readonly outcome: FileOutcome }[],
): CliError => {
  const count = failed.length === 1 ? '1 file was' : `${failed.length} files were`
  const worst = failed.some(({ outcome }) => outcome !== 'conflict') ? ExitCode.integrity : ExitCode.localIo
  const code = worst === ExitCode.integrity ? 'Incomplete' : 'EEXIST'
  return new CliError(
    worst,
    code,
    `${count} not received: ${failed
      .slice(0, 5)
      .map(({ path }) => path)
      .join(', ')}${failed.length > 5 ? ', …' : ''}`,
  )
}
