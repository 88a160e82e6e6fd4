/** Joins a stream with stdin and stdout, as `listen` and `connect` do. */
import { Readable } from 'node:stream'
import type { Connection } from '../../entry/node.js'
import type { Context } from '../context.js'
import { endOf } from '../peer.js'
import type { ByteStream } from '../transfer/sender.js'
import { type Forwarded, forward } from './forward.js'

/** Forwards both ways; with `--recv-only` stdin is not read and counts as ended. */
export const forwardStdio = async (
  context: Context,
  connection: Connection,
  stream: ByteStream,
): Promise<Forwarded> => {
  const { values, stdin, stdout, signal } = context
  const input = values.flag('recv-only') ? Readable.from([]) : stdin
  try {
    return await forward(stream, { input, output: stdout, endOutput: false }, signal)
  } catch (error) {
    throw await endOf(connection, error)
  }
}
