/** Two ends of one bidirectional byte stream in memory, with a little backpressure. */
import type { ByteStream } from '../../../src/cli/transfer/sender.js'

const pipe = (): TransformStream<Uint8Array, Uint8Array> => {
  const copy = new TransformStream<Uint8Array, Uint8Array>(
    // A real stream has taken the bytes when `write` resolves, so that the caller may reuse its buffer.
    { transform: (chunk, controller) => controller.enqueue(chunk.slice()) },
    { highWaterMark: 1 },
    { highWaterMark: 4 },
  )
  return copy
}

export const streamPair = (): [ByteStream, ByteStream] => {
  const [there, back] = [pipe(), pipe()]
  return [
    { readable: back.readable, writable: there.writable },
    { readable: there.readable, writable: back.writable },
  ]
}

/** Hands on bytes until `limit` have passed, then breaks both directions as a lost connection does. */
export const breakingAfter = (stream: ByteStream, limit: number): ByteStream => {
  let passed = 0
  const breaker = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      passed += chunk.length
      if (passed > limit) throw Object.assign(new Error('the connection was lost'), { code: 'IdleTimeout' })
      controller.enqueue(chunk)
    },
  })
  return { readable: stream.readable.pipeThrough(breaker), writable: stream.writable }
}
