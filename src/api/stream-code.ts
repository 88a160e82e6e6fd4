const LARGEST_VARINT = 2 ** 53 - 1

/**
 * The application error code of an abort or cancel reason: its `streamErrorCode`, as a `WebTransportError` and an `AnypathError` have
 * it, or the reason itself when it is a number, else 0.
 */
export function streamCodeOf(reason: unknown): number {
  const code =
    typeof reason === 'object' && reason !== null && 'streamErrorCode' in reason ? reason.streamErrorCode : reason
  return typeof code === 'number' && Number.isInteger(code) && code >= 0 && code <= LARGEST_VARINT ? code : 0
}

/** A chunk that was written, as bytes; `undefined` when it is none. Shares memory with the chunk. */
export function bytesOf(chunk: unknown): Uint8Array | undefined {
  if (chunk instanceof Uint8Array) return chunk
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  return undefined
}
