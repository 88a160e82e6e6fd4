// Bytes up and down on a stream of whatever opens W3C streams: the first 9 bytes of each say which way, and how many.
import { offer, zeros } from '/flow.js'

/** @param {(address: unknown) => Promise<{createBidirectionalStream(): Promise<{readable: ReadableStream, writable: WritableStream}>}>} connect */
export function offerTwoWay(connect) {
  let connected
  const move = async (down, bytes) => {
    const started = performance.now()
    const { readable, writable } = await connected.createBidirectionalStream()
    const counted = count(readable)
    const writer = writable.getWriter()
    const head = new DataView(new ArrayBuffer(9))
    head.setUint8(0, down ? 1 : 0)
    head.setFloat64(1, bytes)
    await writer.write(new Uint8Array(head.buffer))
    if (!down) for (const chunk of zeros(bytes)) await writer.write(chunk)
    await writer.close()
    const received = await counted
    if (received !== (down ? bytes : 1)) throw new Error(`${received} bytes came`)
    return (performance.now() - started) / 1000
  }
  offer({
    firstMessage: async ({ address }) => {
      connected = await connect(address)
      await move(false, 1)
      return performance.now()
    },
    up: ({ bytes }) => move(false, bytes),
    down: ({ bytes }) => move(true, bytes),
  })
}

async function count(readable) {
  const reader = readable.getReader()
  for (let bytes = 0; ; ) {
    const { value, done } = await reader.read()
    if (done) return bytes
    bytes += value.length
  }
}
