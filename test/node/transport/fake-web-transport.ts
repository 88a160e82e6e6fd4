import type { WebTransportLike } from '../../../src/transport/web-transport.js'

/** Both ends of a session that is no browser's: what a page would see, and what its remote does. */
export class FakeWebTransport implements WebTransportLike {
  readonly url: string
  readonly ready: Promise<void>
  readonly closed: Promise<unknown>
  readonly datagrams: WebTransportLike['datagrams']
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>
  /** What the page wrote to its stream, write by write. */
  readonly written: Uint8Array[] = []
  closes = 0
  /** While it is set no write of a stream ends. */
  stuck: Promise<void> | undefined
  /** While it is set no stream has ended: what was written is still on its way. */
  leaving: Promise<void> | undefined
  open!: () => void
  fail!: (cause: Error) => void
  end!: (cause?: Error) => void
  /** A datagram of the remote's. */
  deliver!: (bytes: Uint8Array) => void
  /** A stream of the remote's begins; what it gives brings bytes. */
  stream!: () => ReadableStreamDefaultController<Uint8Array>

  constructor(url = '') {
    this.url = url
    this.ready = new Promise((resolve, reject) => {
      this.open = resolve
      this.fail = reject
    })
    this.closed = new Promise((resolve, reject) => {
      this.end = (cause) => (cause === undefined ? resolve({}) : reject(cause))
    })
    // As in a browser: whoever does not look at one of the two is not bothered by it.
    for (const promise of [this.ready, this.closed]) promise.catch(() => {})
    const readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.deliver = (bytes) => controller.enqueue(bytes)
      },
    })
    this.datagrams = { readable }
    this.incomingUnidirectionalStreams = new ReadableStream({
      start: (streams) => {
        this.stream = () => {
          let brings!: ReadableStreamDefaultController<Uint8Array>
          streams.enqueue(
            new ReadableStream({
              start: (controller) => {
                brings = controller
              },
            }),
          )
          return brings
        }
      },
    })
  }

  async createUnidirectionalStream(): Promise<WritableStream<Uint8Array>> {
    return new WritableStream({
      write: async (bytes) => {
        this.written.push(bytes)
        await this.stuck
      },
      close: async () => this.leaving,
    })
  }

  close(): void {
    this.closes += 1
  }
}
