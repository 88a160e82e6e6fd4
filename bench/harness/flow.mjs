const CHUNK_BYTES = 64 * 1024

/** What every bulk sender sends again and again. */
export const CHUNK = new Uint8Array(CHUNK_BYTES).fill(0x5a)

/**
 * Counts what arrives between the end of the warm-up, in which programs are still compiled and windows open, and the last byte.
 */
export class Arrivals {
  bytes = 0
  packets = 0
  /** With those of the warm-up. */
  total = 0
  #warmUpMs
  #begin
  #warmFrom = 0
  #from = 0
  #to = 0

  /** @param {{options: {warmUp?: number}, begin: () => void}} context `warmUp` is in seconds */
  constructor({ options, begin }) {
    this.#warmUpMs = (options.warmUp ?? 0) * 1000
    this.#begin = begin
  }

  add(bytes) {
    this.#to = performance.now()
    this.total += bytes
    if (this.#warmFrom === 0) this.#warmFrom = this.#to
    if (this.#from > 0) {
      this.bytes += bytes
      this.packets += 1
    } else if (this.#to - this.#warmFrom >= this.#warmUpMs) {
      this.#from = this.#to
      this.#begin()
    }
  }

  get figures() {
    const seconds = (this.#to - this.#from) / 1000
    const { bytes, packets, total } = this
    return { bytes, packets, total, seconds, mbPerSecond: bytes / 1e6 / seconds }
  }
}

/** Reads a WHATWG stream to its end. */
export async function readAll(readable, context) {
  const arrivals = new Arrivals(context)
  const reader = readable.getReader()
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    arrivals.add(value.byteLength)
  }
  return arrivals.figures
}

/** Writes chunks to a WHATWG stream for the warm-up and some time, as fast as its backpressure lets it, and closes it. */
export async function writeFor(writable, context) {
  const writer = writable.getWriter()
  await pumpFor(context, async (chunk) => {
    await writer.ready
    // What fails fails the close as well.
    writer.write(chunk).catch(() => {})
  })
  await writer.close()
}

/** Calls `write` for the warm-up and some time; it returns a promise when it has to wait. */
export async function pumpFor({ options: { seconds, warmUp = 0 }, begin }, write) {
  let warm = performance.now() + warmUp * 1000
  const end = warm + seconds * 1000
  for (let now = performance.now(); now < end; now = performance.now()) {
    if (now >= warm) {
      begin()
      warm = Number.POSITIVE_INFINITY
    }
    const waiting = write(CHUNK)
    if (waiting) await waiting
  }
}

/** Runs `count` tasks, at most `concurrency` at a time, and tells how long each took. */
export async function runTasks(count, concurrency, task) {
  const times = new Float64Array(count)
  let next = 0
  const from = performance.now()
  const work = async () => {
    while (next < count) {
      const index = next++
      const started = performance.now()
      await task(index)
      times[index] = performance.now() - started
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, work))
  const seconds = (performance.now() - from) / 1000
  times.sort()
  const at = (share) => times[Math.min(count - 1, Math.floor(count * share))]
  return { count, seconds, perSecond: count / seconds, p50Ms: at(0.5), p99Ms: at(0.99) }
}

/** The first of an async iterable or a ReadableStream; what follows stays unread. */
export async function first(source) {
  const iterator = source[Symbol.asyncIterator] && !source.getReader ? source[Symbol.asyncIterator]() : undefined
  const reader = iterator ? undefined : source.getReader()
  const { done, value } = iterator ? await iterator.next() : await reader.read()
  reader?.releaseLock()
  if (done) throw new Error('ended before anything came')
  return value
}
