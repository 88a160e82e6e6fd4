/**
 * The wire of `anypath send` and `anypath receive`: one bidirectional stream, opened by the receiver.
 *
 * A frame is `type (u8) length (u32) payload`; numbers are big endian.
 *
 * ```text
 * receiver -> sender                                  sender -> receiver
 *   HELLO   version u8, secret 32                       WELCOME   version u8
 *                                                       ENTRY     kind u8, executable u8, size u64, path (UTF-8)   one each
 *                                                       LISTED    entries u32, bytes u64
 *   WANT    index u32                                   FILE      index u32, offset u64
 *   RESUME  index u32, held u64, chunk u32, hashes 32…  DATA      bytes                                            as many as it takes
 *   COMPARE index u32, SHA-256 32                       FILE_END  SHA-256 32, of the whole file
 *                                                       SAME      index u32            answer to COMPARE
 *                                                       DIFFERENT index u32            answer to COMPARE
 *                                                       FAILED    index u32, reason u8, text (UTF-8)
 *   DONE                                                (end of stream)
 * ```
 *
 * Requests are answered in their order, and the receiver sends them without waiting, so there is no round trip per file.
 * `RESUME` holds the hashes of the chunks that the receiver has; the sender goes on behind the last one that is also its
 * own, so neither a damaged partial file nor a changed source goes unnoticed.
 */

/** The ALPN of the protocol. */
export const transferAlpn = 'anypath/send/1'
export const protocolVersion = 1

export const FrameType = {
  hello: 1,
  want: 2,
  resume: 3,
  compare: 4,
  done: 5,
  welcome: 16,
  entry: 17,
  listed: 18,
  file: 19,
  data: 20,
  fileEnd: 21,
  same: 22,
  different: 23,
  failed: 24,
} as const

/** Application error codes with which either side closes the connection or resets the stream. */
export const CloseCode = {
  done: 0,
  stopped: 1,
  protocol: 2,
  wrongSecret: 3,
  localError: 4,
} as const

/** Why one file was not served, in `FAILED`. */
export const FailReason = {
  changed: 1,
  unreadable: 2,
} as const

export const frameHeaderBytes = 5
export const hashBytes = 32
/** The most bytes in one `DATA` frame that is sent. */
export const dataBytes = 256 * 1024
/** The most bytes in the payload of any frame that is accepted. */
export const maxPayloadBytes = 1024 * 1024
export const minChunkBytes = 1024 * 1024
/** The most chunk hashes in one `RESUME`. Files above 16 GiB get larger chunks. */
export const maxChunks = 16_384
/** The most entries of a manifest that a receiver accepts. */
export const maxEntries = 2_000_000

/** The peer sent what the protocol does not allow. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code = 'ProtocolViolation'
}

export interface FileEntry {
  readonly kind: 'file'
  /** Relative, with `/`. */
  readonly path: string
  readonly size: number
  readonly executable: boolean
}

export interface FolderEntry {
  readonly kind: 'folder'
  readonly path: string
}

export type Entry = FileEntry | FolderEntry

export interface ResumePoint {
  readonly index: number
  /** How many bytes of the file the receiver has. */
  readonly held: number
  /** How many bytes each hash covers; the last may cover fewer. */
  readonly chunk: number
  readonly hashes: Uint8Array
}

/** How large the chunks of a file's `RESUME` are. */
export const chunkBytesFor = (held: number): number =>
  minChunkBytes * Math.max(1, Math.ceil(held / minChunkBytes / maxChunks))

type Bytes = Uint8Array<ArrayBuffer>
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** An empty frame with a payload of `length` bytes, and the view over that payload. */
const frame = (type: number, length: number): { bytes: Bytes; payload: DataView } => {
  const bytes = new Uint8Array(frameHeaderBytes + length)
  writeHeader(bytes, type, length)
  return { bytes, payload: new DataView(bytes.buffer, frameHeaderBytes) }
}

/** Writes a frame's header to the first five bytes. */
export const writeHeader = (bytes: Bytes, type: number, length: number): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint8(0, type)
  view.setUint32(1, length)
}

const withIndex = (type: number, index: number, rest: Uint8Array = new Uint8Array(0)): Bytes => {
  const { bytes, payload } = frame(type, 4 + rest.length)
  payload.setUint32(0, index)
  bytes.set(rest, frameHeaderBytes + 4)
  return bytes
}

export const encode = {
  hello(secret: Uint8Array): Bytes {
    const { bytes, payload } = frame(FrameType.hello, 1 + secret.length)
    payload.setUint8(0, protocolVersion)
    bytes.set(secret, frameHeaderBytes + 1)
    return bytes
  },
  welcome(): Bytes {
    const { bytes, payload } = frame(FrameType.welcome, 1)
    payload.setUint8(0, protocolVersion)
    return bytes
  },
  entry(entry: Entry): Bytes {
    const path = encoder.encode(entry.path)
    const { bytes, payload } = frame(FrameType.entry, 10 + path.length)
    payload.setUint8(0, entry.kind === 'file' ? 1 : 2)
    payload.setUint8(1, entry.kind === 'file' && entry.executable ? 1 : 0)
    payload.setBigUint64(2, BigInt(entry.kind === 'file' ? entry.size : 0))
    bytes.set(path, frameHeaderBytes + 10)
    return bytes
  },
  listed(entries: number, totalBytes: number): Bytes {
    const { bytes, payload } = frame(FrameType.listed, 12)
    payload.setUint32(0, entries)
    payload.setBigUint64(4, BigInt(totalBytes))
    return bytes
  },
  want: (index: number): Bytes => withIndex(FrameType.want, index),
  resume({ index, held, chunk, hashes }: ResumePoint): Bytes {
    const { bytes, payload } = frame(FrameType.resume, 16 + hashes.length)
    payload.setUint32(0, index)
    payload.setBigUint64(4, BigInt(held))
    payload.setUint32(12, chunk)
    bytes.set(hashes, frameHeaderBytes + 16)
    return bytes
  },
  compare: (index: number, hash: Uint8Array): Bytes => withIndex(FrameType.compare, index, hash),
  done: (): Bytes => frame(FrameType.done, 0).bytes,
  file(index: number, offset: number): Bytes {
    const { bytes, payload } = frame(FrameType.file, 12)
    payload.setUint32(0, index)
    payload.setBigUint64(4, BigInt(offset))
    return bytes
  },
  fileEnd(hash: Uint8Array): Bytes {
    const { bytes } = frame(FrameType.fileEnd, hash.length)
    bytes.set(hash, frameHeaderBytes)
    return bytes
  },
  same: (index: number): Bytes => withIndex(FrameType.same, index),
  different: (index: number): Bytes => withIndex(FrameType.different, index),
  failed(index: number, reason: number, text: string): Bytes {
    const message = encoder.encode(text.slice(0, 500))
    const rest = new Uint8Array(1 + message.length)
    rest[0] = reason
    rest.set(message, 1)
    return withIndex(FrameType.failed, index, rest)
  },
}

const viewOf = (payload: Uint8Array): DataView => new DataView(payload.buffer, payload.byteOffset, payload.length)

const expectLength = (payload: Uint8Array, length: number, what: string): void => {
  if (payload.length !== length) throw new ProtocolError(`${what} of ${payload.length} bytes instead of ${length}`)
}

const safeNumber = (value: bigint, what: string): number => {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ProtocolError(`${what} is too large`)
  return Number(value)
}

const text = (payload: Uint8Array, what: string): string => {
  try {
    return decoder.decode(payload)
  } catch (error) {
    throw new ProtocolError(`${what} is not UTF-8`, { cause: error })
  }
}

/** Reads payloads; each throws {@link ProtocolError} on anything that {@link encode} would not write. */
export const decode = {
  hello(payload: Uint8Array): { version: number; secret: Uint8Array } {
    if (payload.length < 1) throw new ProtocolError('HELLO is empty')
    const version = payload[0] ?? 0
    if (version === protocolVersion) expectLength(payload, 1 + hashBytes, 'HELLO')
    return { version, secret: payload.slice(1) }
  },
  welcome(payload: Uint8Array): void {
    expectLength(payload, 1, 'WELCOME')
    if (payload[0] !== protocolVersion) throw new ProtocolError(`protocol version ${payload[0]} is not known`)
  },
  entry(payload: Uint8Array): Entry {
    if (payload.length < 11) throw new ProtocolError('ENTRY is too short')
    const path = text(payload.subarray(10), 'a path')
    const view = viewOf(payload)
    const kind = view.getUint8(0)
    const size = safeNumber(view.getBigUint64(2), 'a file size')
    if (kind === 1) return { kind: 'file', path, size, executable: view.getUint8(1) === 1 }
    if (kind !== 2) throw new ProtocolError(`entry kind ${kind} is not known`)
    return { kind: 'folder', path }
  },
  listed(payload: Uint8Array): { entries: number; bytes: number } {
    expectLength(payload, 12, 'LISTED')
    const view = viewOf(payload)
    return { entries: view.getUint32(0), bytes: safeNumber(view.getBigUint64(4), 'the total size') }
  },
  index(payload: Uint8Array): number {
    expectLength(payload, 4, 'an index frame')
    return viewOf(payload).getUint32(0)
  },
  resume(payload: Uint8Array): ResumePoint {
    if (payload.length < 16) throw new ProtocolError('RESUME is too short')
    const view = viewOf(payload)
    const held = safeNumber(view.getBigUint64(4), 'RESUME')
    const chunk = view.getUint32(12)
    if (chunk < minChunkBytes) throw new ProtocolError(`chunks of ${chunk} bytes are too small`)
    expectLength(payload, 16 + hashBytes * Math.ceil(held / chunk), 'RESUME')
    return { index: view.getUint32(0), held, chunk, hashes: payload.slice(16) }
  },
  compare(payload: Uint8Array): { index: number; hash: Uint8Array } {
    expectLength(payload, 4 + hashBytes, 'COMPARE')
    return { index: viewOf(payload).getUint32(0), hash: payload.slice(4) }
  },
  file(payload: Uint8Array): { index: number; offset: number } {
    expectLength(payload, 12, 'FILE')
    const view = viewOf(payload)
    return { index: view.getUint32(0), offset: safeNumber(view.getBigUint64(4), 'an offset') }
  },
  fileEnd(payload: Uint8Array): Uint8Array {
    expectLength(payload, hashBytes, 'FILE_END')
    return payload.slice()
  },
  failed(payload: Uint8Array): { index: number; reason: number; text: string } {
    if (payload.length < 5) throw new ProtocolError('FAILED is too short')
    const view = viewOf(payload)
    return { index: view.getUint32(0), reason: view.getUint8(4), text: text(payload.subarray(5), 'a reason') }
  },
}
