/**
 * What members tell each other on the control stream: a length (u16, big endian) and that many bytes of JSON.
 *
 * A frame of an unknown kind is ignored, so that later versions may say more. One of a known kind has to be right in every member, and
 * within its limits, or the connection is closed.
 */
import { ProtocolError } from '../transfer/protocol.js'
import {
  HISTORY_LENGTH,
  MAX_FILE_BYTES,
  MAX_FILE_NAME_LENGTH,
  MAX_FRAME_BYTES,
  MAX_MEDIA_TYPE_LENGTH,
  MAX_NAME_LENGTH,
  MAX_TEXT_LENGTH,
} from './limits.js'
import { cleanFileName, cleanName, cleanText, lengthOf } from './text.js'

export interface TextBody {
  readonly type: 'text'
  readonly text: string
}

/** A file that the author gives to whoever asks, as long as the author is there. */
export interface FileBody {
  readonly type: 'file'
  readonly name: string
  readonly sizeBytes: number
  readonly mediaType: string
}

/** A message as its author numbers it. */
export interface Message {
  /** Larger than that of every message that the author sent before. */
  readonly seq: number
  /** Lamport's clock: larger than that of every message that the author had seen. */
  readonly clock: number
  /** The author's time, milliseconds since 1970. For reading only. */
  readonly at: number
  readonly body: TextBody | FileBody
}

export type Frame =
  /** First of all, and when the name changes. */
  | { readonly kind: 'hello'; readonly name: string }
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'typing'; readonly on: boolean }
  /** Asks for the latest messages, those that it names aside. */
  | { readonly kind: 'history'; readonly have: readonly string[] }
  /** A message of anybody, in answer to `history`. */
  | { readonly kind: 'past'; readonly author: string; readonly name: string; readonly message: Message }
  | { readonly kind: 'past-end' }

/** What names a message in the whole room. */
export const keyOf = (author: string, seq: number): string => `${author}:${seq}`

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** The frame with its length in front. */
export const encodeFrame = (frame: Frame): Uint8Array => {
  const json = encoder.encode(JSON.stringify(frame))
  if (json.length > MAX_FRAME_BYTES) throw new RangeError('the frame is too long')
  const bytes = new Uint8Array(2 + json.length)
  new DataView(bytes.buffer).setUint16(0, json.length)
  bytes.set(json, 2)
  return bytes
}

/**
 * Reads the JSON of a frame; `undefined` when its kind is unknown.
 *
 * @throws {ProtocolError} when it is malformed, or beyond a limit.
 */
export const parseFrame = (bytes: Uint8Array): Frame | undefined => {
  const fields = parseObject(bytes)
  switch (fields.kind) {
    case 'hello':
      return { kind: 'hello', name: nameOf(fields.name) }
    case 'message':
      return { kind: 'message', message: messageOf(fields.message) }
    case 'typing':
      if (typeof fields.on !== 'boolean') throw malformed('typing.on')
      return { kind: 'typing', on: fields.on }
    case 'history':
      return { kind: 'history', have: keysOf(fields.have) }
    case 'past':
      if (typeof fields.author !== 'string' || !/^[0-9a-f]{64}$/.test(fields.author)) throw malformed('author')
      return { kind: 'past', author: fields.author, name: nameOf(fields.name), message: messageOf(fields.message) }
    case 'past-end':
      return { kind: 'past-end' }
    default:
      return undefined
  }
}

type Fields = Readonly<Record<string, unknown>>

const malformed = (what: string): ProtocolError => new ProtocolError(`a frame is malformed: ${what}`)

/** An object of JSON. @throws {ProtocolError} */
export const parseObject = (bytes: Uint8Array): Fields => {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch {
    throw malformed('no JSON')
  }
  return objectOf(value, 'no object')
}

const objectOf = (value: unknown, what: string): Fields => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(what)
  return value as Fields
}

/** A whole number within a range. @throws {ProtocolError} */
export const wholeOf = (value: unknown, [min, max]: readonly [number, number], what: string): number => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) throw malformed(what)
  return value
}

const textOf = (value: unknown, maxLength: number, what: string): string => {
  if (typeof value !== 'string' || value.length > 2 * maxLength || lengthOf(value) > maxLength) throw malformed(what)
  return value
}

const nameOf = (value: unknown): string => cleanName(textOf(value, MAX_NAME_LENGTH, 'name'))

const messageOf = (value: unknown): Message => {
  const { seq, clock, at, body } = objectOf(value, 'message')
  return {
    seq: wholeOf(seq, [1, Number.MAX_SAFE_INTEGER], 'seq'),
    clock: wholeOf(clock, [1, Number.MAX_SAFE_INTEGER], 'clock'),
    at: wholeOf(at, [0, 8.64e15], 'at'),
    body: bodyOf(objectOf(body, 'body')),
  }
}

const bodyOf = ({ type, text, name, sizeBytes, mediaType }: Fields): Message['body'] => {
  if (type === 'text') {
    const clean = cleanText(textOf(text, MAX_TEXT_LENGTH, 'text'))
    if (clean === '') throw malformed('an empty text')
    return { type, text: clean }
  }
  if (type !== 'file') throw malformed('body.type')
  const media = textOf(mediaType, MAX_MEDIA_TYPE_LENGTH, 'mediaType')
  return {
    type,
    name: cleanFileName(textOf(name, MAX_FILE_NAME_LENGTH, 'file name'), MAX_FILE_NAME_LENGTH),
    sizeBytes: wholeOf(sizeBytes, [0, MAX_FILE_BYTES], 'sizeBytes'),
    mediaType: /^[\w.+-]+\/[\w.+-]+$/.test(media) ? media.toLowerCase() : 'application/octet-stream',
  }
}

const keysOf = (value: unknown): string[] => {
  if (!Array.isArray(value) || value.length > HISTORY_LENGTH) throw malformed('have')
  return value.map((key) => {
    if (typeof key !== 'string' || !/^[0-9a-f]{64}:\d{1,16}$/.test(key)) throw malformed('have')
    return key
  })
}
