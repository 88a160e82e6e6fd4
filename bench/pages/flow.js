// What the pages of all contenders do alike.

const CHUNK_BYTES = 65_536

/** Chunks of 64 KiB that are that many bytes together. */
export function* zeros(bytes) {
  const chunk = new Uint8Array(CHUNK_BYTES)
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) yield left < CHUNK_BYTES ? chunk.subarray(0, left) : chunk
}

/** Reads a stream to its end. */
export async function read(readable) {
  const reader = readable.getReader()
  for (;;) {
    const { done } = await reader.read()
    if (done) return
  }
}

/** Gives the bench a contender's functions, and begins at once where the address asks for the first message. */
export function offer(contender) {
  globalThis.contender = contender
  const first = new URLSearchParams(location.search).get('first')
  if (first !== null) globalThis.firstMessageMs = contender.firstMessage(JSON.parse(first))
}
