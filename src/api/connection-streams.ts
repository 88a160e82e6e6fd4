import type { Engine } from '../driver/engine.js'
import { type AnypathError, EarlyDataRejectedError } from '../errors/index.js'
import type { BidirectionalStream, StreamOptions } from './bidirectional-stream.js'
import { IncomingStreams } from './incoming-streams.js'
import { ReceiveStream } from './receive-stream.js'
import { SendStream } from './send-stream.js'

/** The streams of one connection: those that the remote opened, and what is still being sent. */
export class ConnectionStreams {
  /** Whether what is opened now goes out as early data, which the remote may turn down. */
  early = false
  readonly #engine: Engine
  readonly #connectionId: number
  readonly #bidirectional: IncomingStreams<BidirectionalStream>
  readonly #unidirectional: IncomingStreams<ReceiveStream>
  readonly #sending = new Map<number, SendStream>()
  /** Receiving sides of streams that were opened in early data. */
  readonly #receivingEarly = new Set<ReceiveStream>()
  #ended: AnypathError | undefined

  constructor(engine: Engine, connectionId: number) {
    this.#engine = engine
    this.#connectionId = connectionId
    this.#bidirectional = new IncomingStreams((streamId) => this.#stream(streamId, 0))
    this.#unidirectional = new IncomingStreams((streamId) => new ReceiveStream(engine, connectionId, streamId))
  }

  /** Bidirectional streams that the remote opened. */
  get bidirectional(): ReadableStream<BidirectionalStream> {
    return this.#bidirectional.readable
  }

  /** Unidirectional streams that the remote opened. */
  get unidirectional(): ReadableStream<ReceiveStream> {
    return this.#unidirectional.readable
  }

  /** @throws AnypathError how the connection ended; `StreamLimit` when the remote allows no more and there is to be no waiting. */
  async openBidirectional(options: StreamOptions): Promise<BidirectionalStream> {
    return this.#stream(await this.#open(true, options), options.sendOrder ?? 0)
  }

  /** @throws AnypathError as `openBidirectional`. */
  async openUnidirectional(options: StreamOptions): Promise<SendStream> {
    return this.#sendStream(await this.#open(false, options), options.sendOrder ?? 0)
  }

  /** The remote opened one. */
  opened(streamId: number, bidirectional: boolean): void {
    if (bidirectional) this.#bidirectional.push(streamId)
    else this.#unidirectional.push(streamId)
  }

  /** The remote wants no more of one (RFC 9000 section 19.5). */
  stopped(streamId: number, code: number): void {
    this.#sending.get(streamId)?.stopped(code)
  }

  /** Whether the remote took the early data; what was opened in it and turned down fails. */
  earlyDataAnswered(accepted: boolean): void {
    if (!accepted) {
      const error = new EarlyDataRejectedError('the remote did not take early data: open the stream again')
      for (const stream of [...this.#sending.values(), ...this.#receivingEarly]) stream.fail(error)
    }
    this.#receivingEarly.clear()
  }

  /** The connection ended: `how` is what readers of new streams are told, `error` what writers get. */
  end(how: AnypathError | 'closed', error: AnypathError): void {
    this.#ended = error
    for (const stream of [...this.#sending.values()]) stream.fail(error)
    this.#bidirectional.end(how)
    this.#unidirectional.end(how)
  }

  async #open(bidirectional: boolean, { waitUntilAvailable = true }: StreamOptions): Promise<number> {
    if (this.#ended !== undefined) throw this.#ended
    return this.#engine.openStream(this.#connectionId, bidirectional, waitUntilAvailable)
  }

  #stream(streamId: number, sendOrder: number): BidirectionalStream {
    const readable = new ReceiveStream(this.#engine, this.#connectionId, streamId)
    if (this.early) this.#receivingEarly.add(readable)
    return { readable, writable: this.#sendStream(streamId, sendOrder) }
  }

  #sendStream(streamId: number, sendOrder: number): SendStream {
    const stream = new SendStream(this.#engine, this.#connectionId, streamId, sendOrder, this.#forget)
    // Handed out after the end: what waits in it is readable, but nothing can be sent.
    if (this.#ended !== undefined) stream.fail(this.#ended)
    else this.#sending.set(streamId, stream)
    return stream
  }

  readonly #forget = (streamId: number): void => {
    this.#sending.delete(streamId)
  }
}
