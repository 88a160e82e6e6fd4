/**
 * A file on a stream of its own, which the receiver opens to the author of the offer.
 *
 * ```text
 * receiver -> author   length (u16) and JSON: { "kind": "get", "seq": the offer's number }
 * author -> receiver   1 (u8), as many bytes as the offer says, their SHA-256 (32 bytes); or 0 (u8): it is not there any more
 * ```
 *
 * Either side cancels by QUIC's own means: the receiver stops the stream, the author resets it.
 */
import { ByteReader } from '../transfer/bytes.js'
import { ProtocolError } from '../transfer/protocol.js'
import { type ChatConnection, type ChatStream, StreamCode } from './connection.js'
import { parseObject, wholeOf } from './frames.js'

/** A file to offer. */
export interface FileSource {
  readonly name: string
  readonly sizeBytes: number
  /** For example `image/png`; may be empty. */
  readonly mediaType: string
  /** Its bytes from the beginning; called once for each receiver. */
  open(): ReadableStream<Uint8Array>
}

/** Where a received file goes. Bytes are the sink's once its call has resolved; what they are worth is known only when all is there. */
export interface FileSink {
  write(bytes: Uint8Array): Promise<void> | void
}

/** A running SHA-256; the platform's. */
export interface Sha256 {
  update(bytes: Uint8Array): unknown
  digest(): Uint8Array
}

export type NewSha256 = () => Sha256

/** Told the bytes so far. */
export type OnProgress = (bytes: number) => void

/** Why a file did not arrive. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code: 'FileGone' | 'FileHashMismatch' | 'FileLost'

  constructor(code: FileError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const HASH_BYTES = 32
const MAX_REQUEST_BYTES = 256
const HERE = 1
const GONE = 0

/** Streams end abnormally with this, as `WebTransportError` has it. */
const withCode = (streamErrorCode: number, message: string): Error =>
  Object.assign(new Error(message), { streamErrorCode })

/** What a receiver asks for on the stream that it opened: the offer's number. @throws {ProtocolError} */
export const readRequest = async (stream: ChatStream): Promise<number> => {
  const reader = new ByteReader(stream.readable)
  const head = await reader.readExact(2)
  const length = head === null ? 0 : new DataView(head.buffer).getUint16(0)
  if (length === 0 || length > MAX_REQUEST_BYTES) throw new ProtocolError('a malformed request')
  const { kind, seq } = parseObject((await reader.readExact(length)) ?? new Uint8Array(0))
  if (kind !== 'get') throw new ProtocolError('a request of an unknown kind')
  return wholeOf(seq, [1, Number.MAX_SAFE_INTEGER], 'seq')
}

/** Ends a stream that is not served. */
export const refuse = async ({ readable, writable }: ChatStream, code: number): Promise<void> => {
  const error = withCode(code, 'not served')
  await Promise.all([writable.abort(error), readable.locked ? undefined : readable.cancel(error)]).catch(
    () => undefined,
  )
}

/**
 * Sends a file; resolves when the receiver has acknowledged all of it.
 *
 * @throws when the file can't be read or is not as long as it was, when the receiver cancels, and with the signal's reason.
 */
export const sendFile = async (
  stream: ChatStream,
  source: FileSource | undefined,
  { newSha256, onProgress, signal }: { newSha256: NewSha256; onProgress: OnProgress; signal: AbortSignal },
): Promise<void> => {
  const writer = stream.writable.getWriter()
  writer.closed.catch(() => undefined)
  if (source === undefined) {
    await writer.write(Uint8Array.of(GONE))
    return writer.close()
  }
  const reader = source.open().getReader()
  const onAbort = (): void => void writer.abort(withCode(StreamCode.cancelled, 'cancelled')).catch(() => undefined)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    await writer.write(Uint8Array.of(HERE))
    const hash = newSha256()
    let sent = 0
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      sent += read.value.length
      if (sent > source.sizeBytes) break
      hash.update(read.value)
      await writer.write(read.value)
      onProgress(sent)
    }
    if (sent !== source.sizeBytes) throw new FileError('FileLost', 'the file has changed since it was offered')
    await writer.write(Uint8Array.from(hash.digest()))
    await writer.close()
  } catch (error) {
    await writer.abort(withCode(StreamCode.unreadable, 'the file can not be sent')).catch(() => undefined)
    await reader.cancel().catch(() => undefined)
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** The offer that a file is fetched by. */
export interface Wanted {
  readonly seq: number
  readonly sizeBytes: number
}

/**
 * Receives a file into a sink; resolves when every byte is there and the SHA-256 is right.
 *
 * @throws {FileError} when it is gone, lost on the way, or not what its author hashed; what the sink throws; and the signal's reason.
 */
export const receiveFile = async (
  connection: ChatConnection,
  { seq, sizeBytes }: Wanted,
  sink: FileSink,
  { newSha256, onProgress, signal }: { newSha256: NewSha256; onProgress: OnProgress; signal: AbortSignal },
): Promise<void> => {
  signal.throwIfAborted()
  const stream = await connection.createBidirectionalStream().catch(lost)
  const reader = new ByteReader(stream.readable)
  const cancel = (): void => void reader.cancel(withCode(StreamCode.cancelled, 'cancelled'))
  signal.addEventListener('abort', cancel, { once: true })
  try {
    await ask(stream, seq).catch(lost)
    const status = await reader.readExact(1).catch(lost)
    if (status?.[0] !== HERE) throw new FileError('FileGone', 'the file is not offered any more')
    const hash = newSha256()
    let received = 0
    while (received < sizeBytes) {
      const some = await reader.readSome(sizeBytes - received).catch(lost)
      signal.throwIfAborted()
      if (some === null) throw new FileError('FileLost', 'the file ended early')
      hash.update(some)
      received += some.length
      await sink.write(some)
      onProgress(received)
    }
    const digest = await reader.readExact(HASH_BYTES).catch(lost)
    const own = hash.digest()
    if (digest === null || digest.some((byte, i) => byte !== own[i])) {
      throw new FileError('FileHashMismatch', 'the file is not what its sender hashed')
    }
  } catch (error) {
    cancel()
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

const ask = async (stream: ChatStream, seq: number): Promise<void> => {
  const json = new TextEncoder().encode(JSON.stringify({ kind: 'get', seq }))
  const bytes = new Uint8Array(2 + json.length)
  new DataView(bytes.buffer).setUint16(0, json.length)
  bytes.set(json, 2)
  const writer = stream.writable.getWriter()
  writer.closed.catch(() => undefined)
  await writer.write(bytes)
  // The author need not know that nothing more comes before the file can begin.
  void writer.close().catch(() => undefined)
}

const lost = (error: unknown): never => {
  throw new FileError('FileLost', 'the sender is gone, or cancelled', { cause: error })
}
