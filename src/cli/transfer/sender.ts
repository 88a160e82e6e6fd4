/** One receiver being served: reads its requests ahead, and answers them in their order. */

import { ByteReader, ByteWriter } from './bytes.js'
import { FrameReader } from './frames.js'
import { hashFile, matchChunks, sha256 } from './hash.js'
import type { Manifest, Source } from './manifest.js'
import {
  dataBytes,
  decode,
  encode,
  type FileEntry,
  FrameType,
  frameHeaderBytes,
  ProtocolError,
  protocolVersion,
  type ResumePoint,
  writeHeader,
} from './protocol.js'
import { BoundedQueue } from './queue.js'
import { type Failure, failureOf } from './source-failure.js'
import { readSmall, SourceChanged, SourceFile } from './source-file.js'

/** A bidirectional stream of the W3C shape. */
export interface ByteStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/** The secret was wrong; the connection should be closed with `CloseCode.wrongSecret`. */
export class WrongSecret extends Error {
  override readonly name = 'WrongSecret'
}

export interface SenderOptions {
  /** Lists the files; called once the secret has been found right. */
  readonly manifest: () => Promise<Manifest>
  readonly checkSecret: (secret: Uint8Array) => boolean
  readonly onManifest?: (manifest: Manifest) => void
  /** Called where the sending of a file's content begins; what is before `offset` the receiver has already. */
  readonly onStart?: (file: { entry: FileEntry; offset: number }) => void
  /** Called for each piece that was handed to the connection. */
  readonly onBytes?: (bytes: number) => void
  /** Called for each file that was answered; `offset` is where the sending began. */
  readonly onFile?: (file: {
    entry: FileEntry
    outcome: 'sent' | 'same' | 'different' | 'failed'
    offset: number
  }) => void
  readonly signal?: AbortSignal
}

type Request =
  | { readonly kind: 'want'; readonly index: number }
  | { readonly kind: 'resume'; readonly index: number; readonly point: ResumePoint }
  | { readonly kind: 'compare'; readonly index: number; readonly hash: Uint8Array }

/** What is left to do when a request's turn has come. */
type Answer = () => Promise<void>

const smallFileBytes = 128 * 1024
const readAhead = 32

/** Pieces of a large file alternate between two buffers, so that reading goes on while the other is being written. */
class SendBuffers {
  readonly #buffers = [
    new Uint8Array(frameHeaderBytes + dataBytes),
    new Uint8Array(frameHeaderBytes + dataBytes),
  ] as const
  #next = 0

  take(): Uint8Array<ArrayBuffer> {
    this.#next = 1 - this.#next
    return this.#next === 0 ? this.#buffers[0] : this.#buffers[1]
  }
}

class SenderSession {
  readonly #writer: ByteWriter
  readonly #frames: FrameReader
  readonly #reader: ByteReader
  readonly #options: SenderOptions
  readonly #buffers = new SendBuffers()
  #sources: readonly Source[] = []

  constructor(stream: ByteStream, options: SenderOptions) {
    this.#reader = new ByteReader(stream.readable)
    this.#frames = new FrameReader(this.#reader)
    this.#writer = new ByteWriter(stream.writable)
    this.#options = options
  }

  async run(): Promise<void> {
    try {
      await this.#authenticate()
      const manifest = await this.#options.manifest()
      this.#options.onManifest?.(manifest)
      this.#sources = manifest.sources
      await this.#list(manifest)
      await this.#answerAll()
      await this.#writer.close()
    } catch (error) {
      await Promise.all([this.#writer.abort(error), this.#reader.cancel(error)])
      throw error
    }
  }

  async #authenticate(): Promise<void> {
    const frame = await this.#frames.next()
    if (frame === null || frame.type !== FrameType.hello)
      throw new ProtocolError('the receiver did not begin with HELLO')
    const { version, secret } = decode.hello(frame.payload)
    if (version !== protocolVersion)
      throw new ProtocolError(`the receiver speaks protocol version ${version}, not ${protocolVersion}`)
    if (!this.#options.checkSecret(secret)) throw new WrongSecret('the receiver showed a wrong secret')
    await this.#writer.write(encode.welcome())
  }

  async #list({ sources, totalBytes }: Manifest): Promise<void> {
    for (const { entry } of sources) await this.#writer.gather(encode.entry(entry))
    await this.#writer.gather(encode.listed(sources.length, totalBytes))
    await this.#writer.flush()
  }

  async #answerAll(): Promise<void> {
    const answers = new BoundedQueue<Promise<Answer>>(readAhead)
    void this.#readRequests(answers)
    for (;;) {
      if (answers.empty) await this.#writer.flush()
      const answer = await answers.shift()
      if (answer === undefined) return
      await (await answer)()
    }
  }

  /** Reads requests ahead, and begins with each at once as far as it can be. */
  async #readRequests(answers: BoundedQueue<Promise<Answer>>): Promise<void> {
    try {
      for (;;) {
        const request = await this.#nextRequest()
        if (request === null) return answers.end()
        const answer = this.#prepare(request)
        answer.catch(() => undefined)
        await answers.push(answer)
      }
    } catch (error) {
      answers.fail(error)
    }
  }

  async #nextRequest(): Promise<Request | null> {
    const frame = await this.#frames.next()
    if (frame === null) throw new ProtocolError('the receiver ended the stream before it was done')
    switch (frame.type) {
      case FrameType.want:
        return { kind: 'want', index: decode.index(frame.payload) }
      case FrameType.resume: {
        const point = decode.resume(frame.payload)
        return { kind: 'resume', index: point.index, point }
      }
      case FrameType.compare:
        return { kind: 'compare', ...decode.compare(frame.payload) }
      case FrameType.done:
        return null
      default:
        throw new ProtocolError(`frame type ${frame.type} is not one that a receiver sends`)
    }
  }

  /** Does what can be done ahead of its turn, and returns the rest. */
  async #prepare(request: Request): Promise<Answer> {
    const source = this.#sources[request.index]
    if (source?.entry.kind !== 'file')
      throw new ProtocolError(`the receiver asked for entry ${request.index}, which is no file`)
    const { entry, location } = source
    if (request.kind !== 'want' || entry.size > smallFileBytes) {
      return () => this.#answerFromFile(request, entry, location)
    }
    const content = await readSmall(location, entry).catch((error: unknown) => failureOf(error))
    return () => this.#sendSmall(request.index, entry, content)
  }

  async #sendSmall(index: number, entry: FileEntry, content: Buffer | Failure): Promise<void> {
    if (!Buffer.isBuffer(content)) return this.#fail(index, entry, content)
    this.#options.onStart?.({ entry, offset: 0 })
    await this.#writer.gather(encode.file(index, 0))
    if (content.length > 0) {
      const header = new Uint8Array(frameHeaderBytes)
      writeHeader(header, FrameType.data, content.length)
      await this.#writer.gather(header)
      await this.#writer.gather(content)
    }
    await this.#writer.gather(encode.fileEnd(sha256().update(content).digest()))
    this.#options.onBytes?.(content.length)
    this.#options.onFile?.({ entry, outcome: 'sent', offset: 0 })
  }

  async #fail(index: number, entry: FileEntry, { reason, message }: Failure): Promise<void> {
    await this.#writer.gather(encode.failed(index, reason, message))
    this.#options.onFile?.({ entry, outcome: 'failed', offset: 0 })
  }

  /** Turns what is wrong with one file into `FAILED`, so that the others are still served. */
  async #answerFromFile(request: Request, entry: FileEntry, location: string): Promise<void> {
    let file: SourceFile | undefined
    try {
      file = await SourceFile.open(location, entry)
      await this.#answer(request, entry, file)
    } catch (error) {
      await this.#fail(request.index, entry, failureOf(error))
    } finally {
      await file?.close()
    }
  }

  async #answer(request: Request, entry: FileEntry, file: SourceFile): Promise<void> {
    const { index } = request
    const { signal } = this.#options
    if (request.kind === 'compare') {
      const { hash } = await hashFile(file.handle, entry.size, signal)
      await file.checkUnchanged()
      const same = hash.equals(request.hash)
      await this.#writer.gather(same ? encode.same(index) : encode.different(index))
      this.#options.onFile?.({ entry, outcome: same ? 'same' : 'different', offset: 0 })
      return
    }
    const none = { matched: 0, whole: sha256() }
    const usable = request.kind === 'resume' && request.point.held <= entry.size
    const { matched, whole } = usable ? await matchChunks(file.handle, request.point, signal) : none
    this.#options.onStart?.({ entry, offset: matched })
    await this.#writer.gather(encode.file(index, matched))
    await this.#writer.flush()
    await this.#sendRange(file, matched, whole)
    await file.checkUnchanged()
    await this.#writer.gather(encode.fileEnd(whole.digest()))
    this.#options.onFile?.({ entry, outcome: 'sent', offset: matched })
  }

  async #sendRange(file: SourceFile, start: number, whole: ReturnType<typeof sha256>): Promise<void> {
    let position = start
    let writing: Promise<void> = Promise.resolve()
    try {
      while (position < file.size) {
        this.#options.signal?.throwIfAborted()
        const buffer = this.#buffers.take()
        const length = Math.min(dataBytes, file.size - position)
        const { bytesRead } = await file.handle.read(buffer, frameHeaderBytes, length, position)
        if (bytesRead === 0) throw new SourceChanged('it became shorter while it was being sent')
        writeHeader(buffer, FrameType.data, bytesRead)
        const piece = buffer.subarray(0, frameHeaderBytes + bytesRead)
        whole.update(piece.subarray(frameHeaderBytes))
        await writing
        writing = this.#writer.write(piece)
        writing.catch(() => undefined)
        position += bytesRead
        this.#options.onBytes?.(bytesRead)
      }
    } finally {
      await writing
    }
  }
}

/**
 * Serves one receiver on the stream that it opened; resolves when it has said that it is done.
 *
 * @throws {WrongSecret} before anything is listed; {@link ProtocolError} when the receiver breaks the protocol; the stream's
 * error when the connection is lost. What is wrong with one file does not end the session: the receiver is told.
 */
export const serveTransfer = (stream: ByteStream, options: SenderOptions): Promise<void> =>
  new SenderSession(stream, options).run()
