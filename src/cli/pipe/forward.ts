/** Joins a stream of a connection with a local pair of Node streams, both ways, half-closing each direction by itself. */
import type { Readable, Writable } from 'node:stream'
import type { ByteStream } from '../transfer/sender.js'

/** The local side. */
export interface LocalStream {
  readonly input: Readable
  readonly output: Writable
  /** Ends the output at the end of the remote's data; not for stdout. */
  readonly endOutput: boolean
}

export interface Forwarded {
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** The remote closed the connection with code 0: it is done and has what it wanted. */
const isCleanClose = (error: unknown): boolean => {
  const { code, closeCode } = error as { code?: unknown; closeCode?: unknown }
  return code === 'ClosedByPeer' && closeCode === 0
}

class Forwarding {
  readonly #local: LocalStream
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  #sentBytes = 0
  #receivedBytes = 0
  #received = false
  #failure: { readonly error: unknown } | undefined
  /** Ends the wait for a full output. */
  #wake: () => void = () => undefined

  constructor(stream: ByteStream, local: LocalStream) {
    this.#local = local
    this.#reader = stream.readable.getReader()
    this.#writer = stream.writable.getWriter()
    // Errors of the output come as events, also after the last write; none may end the process.
    local.output.on('error', (error) => this.fail(error))
    local.output.on('drain', () => this.#wake())
    local.output.on('close', () => this.#wake())
    // The remote may stop reading while nothing is being sent.
    this.#writer.closed.catch((error: unknown) => {
      if (!(this.#received && isCleanClose(error))) this.fail(error)
    })
  }

  async run(): Promise<Forwarded> {
    const directions = [this.#send(), this.#receive()].map((direction) => direction.catch((error) => this.fail(error)))
    await Promise.all(directions)
    if (this.#failure !== undefined) throw this.#failure.error
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes }
  }

  /** Gives both directions up; the first reason counts. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#local.input.destroy()
    if (this.#local.endOutput) this.#local.output.destroy()
    this.#wake()
    void this.#reader.cancel(error).catch(() => undefined)
    void this.#writer.abort(error).catch(() => undefined)
  }

  /** Local input to the remote up to its end; then the remote is told so, and has acknowledged everything. */
  async #send(): Promise<void> {
    // A plain loop would destroy a socket at the end of its input, while the other direction still goes on.
    for await (const chunk of this.#local.input.iterator({ destroyOnReturn: false })) {
      const bytes: Uint8Array = chunk
      await this.#writer.write(bytes)
      this.#sentBytes += bytes.length
    }
    if (this.#failure !== undefined) return
    await this.#writer.close().catch((error: unknown) => {
      // Both directions are through, and the remote left before its last acknowledgement was seen.
      if (!(this.#received && isCleanClose(error))) throw error
    })
  }

  /** The remote's data to the local output up to its end. */
  async #receive(): Promise<void> {
    const { output, endOutput } = this.#local
    for (;;) {
      const { done, value } = await this.#reader.read()
      if (this.#failure !== undefined) return
      if (done) break
      this.#receivedBytes += value.length
      if (!output.write(value)) await this.#drained()
    }
    this.#received = true
    if (endOutput) output.end()
  }

  /** Waits until the output takes more, or never will. */
  #drained(): Promise<void> {
    const { output } = this.#local
    if (output.destroyed || !output.writableNeedDrain) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/**
 * Forwards both ways until both directions have ended. When one fails, the other is given up too: the stream is reset
 * both ways, and the local input destroyed.
 *
 * @throws the first error of either direction, or the signal's reason.
 */
export const forward = async (stream: ByteStream, local: LocalStream, signal?: AbortSignal): Promise<Forwarded> => {
  signal?.throwIfAborted()
  const forwarding = new Forwarding(stream, local)
  const onAbort = (): void => forwarding.fail(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await forwarding.run()
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}
