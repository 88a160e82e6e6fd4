/** The wire of `listen` and `connect`: that of the program dumbpipe (crate `dumbpipe`). */

import type { Connection } from '../../entry/node.js'
import type { Values } from '../args.js'
import { parseAlpn } from '../args.js'
import { CliError, ExitCode, toCliError } from '../exit.js'
import type { ByteStream } from '../transfer/sender.js'

const defaultAlpn = 'DUMBPIPEV0'
/** What the side that opens the stream writes first, so that the other side learns of it. */
const handshake = new TextEncoder().encode('hello')
const handshakeTimeoutMs = 10_000

export interface PipeProtocol {
  readonly alpn: string
  /** Whether the handshake is sent and expected; not with an ALPN of the user's. */
  readonly handshake: boolean
}

export const pipeProtocol = (values: Values): PipeProtocol => {
  const custom = values.text('custom-alpn')
  return custom === undefined ? { alpn: defaultAlpn, handshake: true } : { alpn: parseAlpn(custom), handshake: false }
}

/** Opens the one stream of a pipe. */
export const openPipe = async (connection: Connection, protocol: PipeProtocol): Promise<ByteStream> => {
  const stream = await connection.createBidirectionalStream()
  if (!protocol.handshake) return stream
  const writer = stream.writable.getWriter()
  await writer.write(handshake)
  writer.releaseLock()
  return stream
}

/** Takes bytes off the front of a stream without losing what came with them. */
const withoutHandshake = async (stream: ByteStream): Promise<ByteStream> => {
  const reader = stream.readable.getReader()
  let seen = new Uint8Array(0)
  while (seen.length < handshake.length) {
    const { done, value } = await reader.read()
    if (done) break
    const joined = new Uint8Array(seen.length + value.length)
    joined.set(seen)
    joined.set(value, seen.length)
    seen = joined
  }
  if (handshake.some((byte, i) => seen[i] !== byte)) {
    throw new CliError(ExitCode.protocol, 'ProtocolViolation', 'the other side did not begin with the handshake')
  }
  const rest = seen.subarray(handshake.length)
  const readable = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        if (rest.length > 0) controller.enqueue(rest)
      },
      pull: async (controller) => {
        const { done, value } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
  return { readable, writable: stream.writable }
}

/**
 * Waits for the one stream of a pipe, at most 10 s.
 *
 * @throws {CliError} with exit code 9 when the other side does not begin with the handshake, or opens no stream in time.
 */
export const acceptPipe = async (connection: Connection, protocol: PipeProtocol): Promise<ByteStream> => {
  const timer = setTimeout(() => connection.close({ closeCode: 2, reason: 'no stream in time' }), handshakeTimeoutMs)
  try {
    const streams = connection.incomingBidirectionalStreams.getReader()
    const { done, value } = await streams.read()
    streams.releaseLock()
    if (done) throw new CliError(ExitCode.lost, 'ClosedByPeer', 'the other side closed the connection without a stream')
    return protocol.handshake ? await withoutHandshake(value) : value
  } catch (error) {
    connection.close({ closeCode: 2, reason: toCliError(error).message })
    throw error
  } finally {
    clearTimeout(timer)
  }
}
