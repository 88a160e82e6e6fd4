/** `length` bytes that differ from their neighbours. */
export function bytes(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i + (i >> 8) + (i >> 16)) & 0xff)
}

/** The first thing that comes. */
export async function first<T>(source: AsyncIterable<T> | ReadableStream<T>): Promise<T> {
  if (source instanceof ReadableStream) {
    const reader = source.getReader()
    const { value, done } = await reader.read()
    reader.releaseLock()
    if (done) throw new Error('it ended')
    return value
  }
  for await (const item of source) return item
  throw new Error('it ended')
}

/** Everything until the end. */
export async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const reader = stream.getReader()
  const chunks: Uint8Array[] = []
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return new Uint8Array(await new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer())
    chunks.push(value)
  }
}

/** The promise's value, if it comes in time. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
