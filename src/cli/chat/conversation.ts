/** One connection with a member that has proven that it knows the room's secret, and that we have proven it to. */
import { ByteReader } from '../transfer/bytes.js'
import { ProtocolError } from '../transfer/protocol.js'
import { type ChatConnection, type ChatPathStats, type ChatStream, CloseCode } from './connection.js'
import { encodeFrame, type Frame, parseFrame } from './frames.js'
import type { RoomKeys } from './keys.js'
import { FRAME_BURST, FRAMES_PER_SECOND, HISTORY_LENGTH, MAX_QUEUED_BYTES, PROOF_TIMEOUT_MS } from './limits.js'
import { isProofOf, PROOF_BYTES, proofOf } from './membership.js'
import { Rate } from './rate.js'
import { pause } from './timing.js'

/** What the paths of a connection had carried at a time by `performance.now()`. */
export interface Measured {
  readonly at: number
  readonly paths: readonly ChatPathStats[]
}

/** How a conversation ended. */
export interface End {
  /** The remote said good-bye; it is not coming back. */
  readonly left: boolean
  /** The remote, or this side because of it, wants no more of this: dialling again is of no use. */
  readonly refused: boolean
  readonly detail: string
}

export interface ConversationHandlers {
  frame(conversation: Conversation, frame: Frame): void
  /** The remote opened a stream: it wants a file. */
  request(conversation: Conversation, stream: ChatStream): void
  ended(conversation: Conversation, end: End): void
}

/** What a connection becomes a conversation with. */
export interface Opening {
  readonly keys: RoomKeys
  /** The own id. */
  readonly self: string
  readonly handlers: ConversationHandlers
}

type StreamsReader = ReadableStreamDefaultReader<ChatStream>

/** Control frames go before the bytes of files. */
const CONTROL_ORDER = 10
/** How long the end of a connection may take to be told after its streams have failed. */
const BROKEN_GRACE_MS = 1_000
const LEAVE_TIMEOUT_MS = 1_000

export class Conversation {
  readonly connection: ChatConnection
  /** What its paths had carried when they were measured last, and when that was. */
  measured: Measured | undefined
  readonly #handlers: ConversationHandlers
  readonly #reader: ByteReader
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #streams: StreamsReader
  readonly #rate = new Rate(FRAMES_PER_SECOND, FRAME_BURST)
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #flushing: Promise<void> | undefined
  #over = false
  #remoteLeft = false
  #closedHere: number | undefined
  #awaitedPast = 0

  private constructor(
    connection: ChatConnection,
    handlers: ConversationHandlers,
    control: Control,
    streams: StreamsReader,
  ) {
    this.connection = connection
    this.#streams = streams
    this.#handlers = handlers
    this.#reader = control.reader
    this.#writer = control.writer
  }

  /**
   * Exchanges proofs on the first stream, which the side that dialled opens and on which it goes first: a stranger that dials learns
   * nothing, not even that this is a room. When anything is wrong the connection is closed, and the call rejects.
   */
  static async open(connection: ChatConnection, { keys, self, handlers }: Opening): Promise<Conversation> {
    const streams = connection.incomingBidirectionalStreams.getReader()
    const timer = setTimeout(
      () => connection.close({ closeCode: CloseCode.stranger, reason: 'no proof of membership in time' }),
      PROOF_TIMEOUT_MS,
    )
    try {
      const control = await (connection.incoming
        ? acceptControl(connection, streams, keys, self)
        : dialControl(connection, keys, self))
      return new Conversation(connection, handlers, control, streams)
    } catch (error) {
      connection.close({ closeCode: CloseCode.stranger, reason: 'no proof of membership' })
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  get remoteId(): string {
    return this.connection.remoteId
  }

  /** Begins to read: from now on the handlers are called. */
  start(): void {
    void this.#read()
    void this.#takeRequests()
    this.connection.closed.then(
      ({ closeCode, reason }) => this.#ended(closeCode, reason),
      (error: unknown) => this.#ended(undefined, error instanceof Error ? error.message : String(error)),
    )
  }

  /** Queues a frame. A member that does not read loses the connection before it costs much memory. */
  send(frame: Frame): void {
    if (this.#over) return
    const bytes = encodeFrame(frame)
    this.#queuedBytes += bytes.length
    if (this.#queuedBytes > MAX_QUEUED_BYTES) return this.close(CloseCode.tooSlow, 'too slow')
    if (frame.kind === 'history') this.#awaitedPast = HISTORY_LENGTH
    this.#queue.push(bytes)
    this.#flushing ??= this.#flush()
  }

  /** Says good-bye when all that was sent has arrived, or after a second. */
  async leave(): Promise<void> {
    const arrived = Promise.resolve(this.#flushing).then(() => this.#writer.close())
    await Promise.race([arrived.catch(() => undefined), pause(LEAVE_TIMEOUT_MS)])
    this.close(CloseCode.left, 'left')
  }

  close(closeCode: number, reason: string): void {
    if (this.#over) return
    this.#closedHere ??= closeCode
    this.#queue = []
    this.connection.close({ closeCode, reason })
  }

  async #read(): Promise<void> {
    try {
      while (!this.#over) {
        const head = await this.#reader.readExact(2)
        if (head === null) return this.#takeLeave()
        const length = new DataView(head.buffer).getUint16(0)
        const frame = parseFrame((await this.#reader.readExact(length)) ?? new Uint8Array(0))
        if (!this.#isAwaited(frame)) await pause(this.#rate.take())
        if (frame !== undefined && !this.#over) this.#handlers.frame(this, frame)
      }
    } catch (error) {
      if (error instanceof ProtocolError) return this.close(CloseCode.protocol, error.message)
      // Mostly the connection is gone, and `closed` tells how; a control stream that broke alone is of no use.
      await pause(BROKEN_GRACE_MS)
      this.close(CloseCode.broken, 'the control stream broke')
    }
  }

  /** The end of the control stream is the remote's good-bye: everything that it said has arrived. */
  #takeLeave(): void {
    this.#remoteLeft = true
    this.close(CloseCode.left, 'good-bye')
  }

  /** History that was asked for comes at once; unasked for it does not come at all. */
  #isAwaited(frame: Frame | undefined): boolean {
    if (frame?.kind === 'past-end') this.#awaitedPast = 0
    if (frame?.kind !== 'past') return false
    if (this.#awaitedPast === 0) throw new ProtocolError('history that was not asked for')
    this.#awaitedPast -= 1
    return true
  }

  async #takeRequests(): Promise<void> {
    const streams = this.#streams
    try {
      for (let next = await streams.read(); !next.done; next = await streams.read()) {
        this.#handlers.request(this, next.value)
      }
    } catch {
      // The connection is gone, and `closed` tells how.
    }
  }

  async #flush(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const batch = joined(this.#queue.splice(0))
        await this.#writer.write(batch)
        this.#queuedBytes -= batch.length
      }
    } catch {
      // The connection is gone, and `closed` tells how.
    } finally {
      this.#flushing = undefined
    }
  }

  #ended(closeCode: number | undefined, detail: string): void {
    if (this.#over) return
    this.#over = true
    this.#queue = []
    const here = this.#closedHere
    const gone = [CloseCode.left, CloseCode.stopped] as readonly (number | undefined)[]
    const final = [CloseCode.stranger, CloseCode.protocol, CloseCode.full] as readonly (number | undefined)[]
    this.#handlers.ended(this, {
      left: this.#remoteLeft || (here === undefined && gone.includes(closeCode)),
      refused: final.includes(here ?? closeCode),
      detail,
    })
  }
}

interface Control {
  readonly reader: ByteReader
  readonly writer: WritableStreamDefaultWriter<Uint8Array>
}

const controlOf = (stream: ChatStream): Control => {
  const writer = stream.writable.getWriter()
  writer.closed.catch(() => undefined)
  return { reader: new ByteReader(stream.readable), writer }
}

const dialControl = async (connection: ChatConnection, keys: RoomKeys, self: string): Promise<Control> => {
  const control = controlOf(await connection.createBidirectionalStream({ sendOrder: CONTROL_ORDER }))
  await control.writer.write(await proofOf(keys, self, connection.remoteId))
  await checkProof(control, keys, connection.remoteId, self)
  return control
}

const acceptControl = async (
  connection: ChatConnection,
  streams: StreamsReader,
  keys: RoomKeys,
  self: string,
): Promise<Control> => {
  await connection.ready
  const { value: stream } = await streams.read()
  if (stream === undefined) throw new ProtocolError('the connection has ended without a stream')
  stream.writable.sendOrder = CONTROL_ORDER
  const control = controlOf(stream)
  await checkProof(control, keys, connection.remoteId, self)
  await control.writer.write(await proofOf(keys, self, connection.remoteId))
  return control
}

const checkProof = async ({ reader }: Control, keys: RoomKeys, from: string, to: string): Promise<void> => {
  const proof = await reader.readExact(PROOF_BYTES)
  if (proof === null || !(await isProofOf(keys, proof, from, to))) throw new ProtocolError('no proof of membership')
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}
