import type { Engine } from '../driver/engine.js'
import { type AnypathError, InvalidArgumentError, StreamStoppedError, toAnypathError } from '../errors/index.js'
import { bytesOf, streamCodeOf } from './stream-code.js'

/** Bytes that a stream queues before `writer.ready` waits. */
const QUEUED_BYTES = 64 * 1024
const PRIORITY_MAX = 2 ** 31 - 1

/** What was sent on a stream. */
export interface SendStreamStats {
  /** Bytes that the core has taken. */
  readonly bytesWritten: number
}

/**
 * The sending side of a stream (W3C `WebTransportSendStream`, RFC 9000 section 2).
 *
 * - A write resolves when the core took the bytes; it waits while the remote's windows are full. The buffer is the caller's again then.
 * - `close()` ends the stream and resolves when the remote has acknowledged everything.
 * - `abort(reason)` abandons it: the remote's reads fail with `reason.streamErrorCode`, or 0.
 *
 * Writes reject with `StreamStoppedError` when the remote wants no more, and with the connection's error when it is gone.
 */
export class SendStream extends WritableStream<Uint8Array> {
  /** The QUIC stream id. */
  readonly id: number
  readonly #engine: Engine
  readonly #connectionId: number
  readonly #progress: { bytesWritten: number }
  readonly #controller: WritableStreamDefaultController
  readonly #onEnd: () => void
  #sendOrder = 0

  /** @internal */
  constructor(engine: Engine, connectionId: number, id: number, sendOrder: number, onEnd: (streamId: number) => void) {
    const progress = { bytesWritten: 0 }
    const ended = () => onEnd(id)
    let controller: WritableStreamDefaultController | undefined
    super(
      {
        start: (started) => {
          controller = started
          // The sink's own abort comes only after the write under way, which may be what waits for flow control.
          started.signal.addEventListener('abort', () => {
            engine.reset(connectionId, id, streamCodeOf(started.signal.reason))
            ended()
          })
        },
        write: async (chunk: unknown) => {
          const bytes = bytesOf(chunk)
          if (bytes === undefined) {
            engine.reset(connectionId, id, 0)
            ended()
            throw new InvalidArgumentError('a chunk must be an ArrayBuffer or a view of one')
          }
          await failing(engine.write(connectionId, id, bytes), ended)
          progress.bytesWritten += bytes.byteLength
        },
        close: () => failing(engine.finish(connectionId, id), ended).then(ended),
        abort: (reason: unknown) => {
          engine.reset(connectionId, id, streamCodeOf(reason))
          ended()
        },
      },
      { highWaterMark: QUEUED_BYTES, size: (chunk) => bytesOf(chunk)?.byteLength ?? 1 },
    )
    this.id = id
    this.#engine = engine
    this.#connectionId = connectionId
    this.#progress = progress
    this.#controller = controller as WritableStreamDefaultController
    this.#onEnd = ended
    if (sendOrder !== 0) this.sendOrder = sendOrder
  }

  /** Streams with a larger number are sent first. @default 0 */
  get sendOrder(): number {
    return this.#sendOrder
  }

  set sendOrder(value: number) {
    if (!Number.isFinite(value)) throw new InvalidArgumentError('sendOrder must be a number')
    this.#sendOrder = value
    const priority = Math.max(-PRIORITY_MAX, Math.min(PRIORITY_MAX, Math.trunc(value)))
    this.#engine.setPriority(this.#connectionId, this.id, priority)
  }

  getStats(): Promise<SendStreamStats> {
    return Promise.resolve({ ...this.#progress })
  }

  /** @internal The remote sent STOP_SENDING. */
  stopped(code: number): void {
    this.fail(
      new StreamStoppedError(`the remote wants no more of this stream (code ${code})`, { streamErrorCode: code }),
    )
  }

  /** @internal The connection is gone. */
  fail(error: AnypathError): void {
    this.#controller.error(error)
    this.#onEnd()
  }
}

async function failing(done: Promise<void>, ended: () => void): Promise<void> {
  try {
    await done
  } catch (thrown) {
    ended()
    throw toAnypathError(thrown)
  }
}
