import { type AnypathError, createError } from '../errors/index.js'
import type { CoreGlue, RawCore } from './glue.js'
import { CoreMemory } from './memory.js'
import { DATAGRAM_OVERHEAD_BYTES, HEADER_BYTES, writeDatagram, writeRelayMessage } from './records.js'

/** Bytes of the input buffer: what is batched before it is ingested, and the largest piece of one write. */
export const INPUT_BYTES = 256 * 1024

/**
 * One WebAssembly instance with its `Core`, its memory and its two buffers.
 *
 * No view over the memory leaves this folder: bytes are copied once on the way in and once on the way out. After a panic every
 * call throws the same `InternalError`, after `close` every call throws `PeerClosed`.
 */
export class CoreInstance {
  /** Called once, from within the call that panicked; it must not call back. */
  onPanic: ((error: AnypathError) => void) | undefined
  readonly #glue: CoreGlue
  readonly #raw: RawCore
  readonly #memory: CoreMemory
  readonly #now: () => number
  #batched = 0
  #inputAt = 0
  #failure: AnypathError | undefined

  /**
   * Instantiates `module` and constructs its core.
   *
   * @throws AnypathError `InvalidConfig`, `InvalidKey` or `InvalidArgument` as the core says, `InternalError` when it can't be instantiated.
   */
  constructor(module: WebAssembly.Module, glue: CoreGlue, config: Uint8Array, now: () => number) {
    this.#glue = glue
    this.#now = now
    try {
      this.#memory = new CoreMemory(glue.initSync({ module }).memory)
      this.#raw = new glue.Core(config)
    } catch (thrown) {
      throw constructionError(thrown)
    }
  }

  /** The only way into the instance: what it throws is a panic, and poisons it. */
  call<Result>(use: (raw: RawCore, now: () => number) => Result): Result {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return use(this.#raw, this.#now)
    } catch (thrown) {
      throw this.poison(this.#panicError(thrown))
    }
  }

  /** Makes every further call throw `error`. */
  poison(error: AnypathError): AnypathError {
    if (this.#failure === undefined) {
      this.#failure = error
      this.onPanic?.(error)
    }
    return error
  }

  /** Adds a received packet to the batch, which is handed over when it is full or by `ingest`. */
  pushDatagram(carrier: number, address: Uint8Array, ecn: number, packet: Uint8Array): void {
    const start = this.#room(DATAGRAM_OVERHEAD_BYTES + packet.length)
    const end = writeDatagram(this.#memory.bytes, this.#memory.view, start, carrier, address, ecn, packet)
    this.#batched = end - this.#inputAt
  }

  /** Adds a message of a relay to the batch. */
  pushRelayMessage(relay: number, message: Uint8Array): void {
    const start = this.#room(HEADER_BYTES + message.length)
    const end = writeRelayMessage(this.#memory.bytes, this.#memory.view, start, relay, message)
    this.#batched = end - this.#inputAt
  }

  /** Hands all batched packets to the core. */
  ingest(): void {
    if (this.#batched === 0) return
    const length = this.#batched
    this.#batched = 0
    this.call((raw, now) => raw.ingest(now(), length))
  }

  /** Puts bytes into the input buffer, after the batch that lies there is ingested; gives their length. */
  place(bytes: Uint8Array): number {
    this.ingest()
    if (bytes.length > 0) {
      const start = this.call((raw) => raw.input(bytes.length))
      this.#memory.bytes.set(bytes, start)
    }
    return bytes.length
  }

  /** A copy of the first `length` bytes of the output buffer. */
  copyOutput(length: number): Uint8Array<ArrayBuffer> {
    const start = this.call((raw) => raw.output())
    return this.#memory.bytes.slice(start, start + length)
  }

  /** Copies the first `length` bytes of the output buffer to the start of `target`. */
  copyOutputTo(target: Uint8Array, length: number): void {
    const start = this.call((raw) => raw.output())
    target.set(this.#memory.bytes.subarray(start, start + length))
  }

  /** Releases the core. Idempotent. */
  close(): void {
    const alive = this.#failure === undefined
    this.#failure ??= createError('PeerClosed', 'the peer is closed')
    if (!alive) return
    try {
      this.#raw.free()
    } catch {
      // The memory goes with the instance; a core that can't be dropped in order has nothing left to lose.
    }
  }

  /** Where a record of `length` bytes goes, after the batch was handed over if there is no room behind it. */
  #room(length: number): number {
    if (this.#batched + length > INPUT_BYTES) this.ingest()
    if (this.#batched === 0) this.#inputAt = this.call((raw) => raw.input(INPUT_BYTES))
    return this.#inputAt + this.#batched
  }

  #panicError(thrown: unknown): AnypathError {
    let message = ''
    try {
      message = this.#glue.panic_message()
    } catch {
      // An instance that can't even say why is reported by what was thrown.
    }
    return createError('InternalError', `the core panicked: ${message || String(thrown)}`, { cause: thrown })
  }
}

/** The constructor throws an `Error` with the text `code: message`; anything else is a defect. */
function constructionError(thrown: unknown): AnypathError {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const found = /^(\d+): ([\s\S]*)$/.exec(text)
  if (!found) return createError('InternalError', `the core can't be started: ${text}`, { cause: thrown })
  return createError(Number(found[1]), found[2] ?? '', { cause: thrown })
}
