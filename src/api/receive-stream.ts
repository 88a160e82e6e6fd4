import type { Engine } from '../driver/engine.js'
import { type AnypathError, toAnypathError } from '../errors/index.js'
import { streamCodeOf } from './stream-code.js'

/** The most bytes that one read asks for. */
const READ_BYTES = 256 * 1024

/** WebKitGTK 2.50 has no byte streams: there a stream is an ordinary one, whose readers can't bring a buffer. */
const hasByteStreams = typeof ReadableByteStreamController === 'function'

/** What was received on a stream. */
export interface ReceiveStreamStats {
  /** Bytes that the application has read. */
  readonly bytesRead: number
}

/**
 * The receiving side of a stream (W3C `WebTransportReceiveStream`, RFC 9000 section 2): a byte stream where the platform has them, so that
 * readers can bring their own buffer.
 *
 * - Nothing is read ahead: what the application has not read holds back the remote.
 * - `cancel(reason)` asks the remote to stop, with `reason.streamErrorCode`, or 0.
 *
 * Reads reject with `StreamResetError` when the remote abandoned the stream, and with the connection's error when it is gone.
 */
export class ReceiveStream extends ReadableStream<Uint8Array<ArrayBuffer>> {
  /** The QUIC stream id. */
  readonly id: number
  readonly #progress: { bytesRead: number }
  readonly #fail: (error: AnypathError) => void

  /** @internal */
  constructor(engine: Engine, connectionId: number, id: number) {
    const progress = { bytesRead: 0 }
    let over = false
    let fail: (error: AnypathError) => void = () => {}
    const source: UnderlyingByteSource = {
      type: 'bytes',
      start: (controller) => {
        fail = (error) => {
          if (over) return
          over = true
          controller.error(error)
        }
      },
      pull: async (controller) => {
        try {
          const view = controller.byobRequest?.view ?? undefined
          const bytes = await engine.read(connectionId, id, view?.byteLength ?? READ_BYTES)
          // Cancelled meanwhile: the controller takes nothing more.
          if (over) return
          if (bytes === null) over = true
          progress.bytesRead += bytes?.byteLength ?? 0
          deliver(controller, bytes)
        } catch (thrown) {
          if (over) return
          over = true
          controller.error(toAnypathError(thrown))
        }
      },
      cancel: (reason: unknown) => {
        over = true
        engine.stop(connectionId, id, streamCodeOf(reason))
      },
    }
    // The overload for byte sources has no type parameter, so it can't be the base of a class.
    super((hasByteStreams ? source : { ...source, type: undefined }) as UnderlyingSource<Uint8Array<ArrayBuffer>>, {
      highWaterMark: 0,
    })
    this.id = id
    this.#progress = progress
    this.#fail = fail
  }

  /** @internal The stream is gone, and its id will be another's. */
  fail(error: AnypathError): void {
    this.#fail(error)
  }

  getStats(): Promise<ReceiveStreamStats> {
    return Promise.resolve({ ...this.#progress })
  }
}

function deliver(controller: ReadableByteStreamController, bytes: Uint8Array<ArrayBuffer> | null): void {
  const request = controller.byobRequest
  if (bytes === null) {
    controller.close()
    // A reader that brought its buffer gets it back only by an answer.
    request?.respond(0)
  } else if (request?.view && request.view.byteLength >= bytes.byteLength) {
    const view = request.view
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(bytes)
    request.respond(bytes.byteLength)
  } else {
    controller.enqueue(bytes)
  }
}
