import type { Socket } from 'node:net'
import type { MutableMetrics } from './metrics.js'
import type { RelayLimits } from './options.js'

/** WebSocket opcodes [RFC 6455 § 5.2] of what is written here. */
export const Opcode = { binary: 2, pong: 10 } as const

/** The longest header of a frame. */
const HEADER_BYTES = 10
/** Room beyond a full queue for the relay's own messages, which are few and small. */
const RESERVE_BYTES = 16_384
const SMALLEST_BATCH_BYTES = 1_024
const LARGEST_BATCH_BYTES = 65_536 + 16

interface Batch {
  readonly bytes: Buffer
  readonly since: number
  length: number
  messages: number
}

/** Buffers above the size of Node's own pool are kept, as many of each size, when the system has taken their content. */
const SMALLEST_KEPT_BYTES = 8_192
const MOST_KEPT = 32

/** Outboxes that have something to write when the current turn of the event loop ends, and buffers that they share. */
export class TurnEnd {
  readonly #outboxes: Outbox[] = []
  readonly #kept = new Map<number, Buffer[]>()

  /** A buffer of at least this size. */
  buffer(bytes: number): Buffer {
    return this.#kept.get(bytes)?.pop() ?? Buffer.allocUnsafe(bytes)
  }

  /** Takes back a buffer that nobody reads any more. */
  giveBack(buffer: Buffer): void {
    const { length } = buffer
    if (length < SMALLEST_KEPT_BYTES) return
    const kept = this.#kept.get(length)
    if (kept !== undefined) {
      if (kept.length < MOST_KEPT) kept.push(buffer)
    } else if (this.#kept.size < MOST_KEPT) this.#kept.set(length, [buffer])
  }

  add(outbox: Outbox): void {
    if (this.#outboxes.push(outbox) === 1) setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    for (const outbox of this.#outboxes.splice(0)) outbox.flush()
  }
}

/**
 * What goes to one client: unmasked WebSocket frames, collected for one turn of the event loop and written with one call.
 *
 * Messages are copied, since a received one pins the whole chunk that it came in. While the socket takes nothing, what waits is
 * bounded in bytes and age. Nothing is written in fragments, so that frames of the WebSocket library may come between.
 */
export class Outbox {
  readonly #socket: Socket
  readonly #limits: RelayLimits
  readonly #metrics: MutableMetrics
  readonly #turnEnd: TurnEnd
  readonly #now: () => number
  readonly #waiting: Batch[] = []
  #open: Batch | undefined
  #bytes = 0
  #nextBatchBytes = SMALLEST_BATCH_BYTES
  #blocked = false
  #scheduled = false
  #closed = false

  constructor(
    socket: Socket,
    {
      limits,
      metrics,
      turnEnd,
      now,
    }: { limits: RelayLimits; metrics: MutableMetrics; turnEnd: TurnEnd; now: () => number },
  ) {
    this.#socket = socket
    this.#limits = limits
    this.#metrics = metrics
    this.#turnEnd = turnEnd
    this.#now = now
    socket.on('drain', this.#onDrain)
  }

  /** Sends others' data, which may be dropped; tells whether it was taken. */
  offer(message: Uint8Array): boolean {
    const { queueBytes, totalQueueBytes } = this.#limits
    const total = message.length + HEADER_BYTES
    if (this.#closed) return false
    if (this.#bytes + total > queueBytes || this.#metrics.queuedBytes + total > totalQueueBytes) {
      this.#metrics.droppedQueue++
      return false
    }
    this.#append(Opcode.binary, message)
    return true
  }

  /** Sends one of the relay's own messages; dropped only when the client has not read for a long time. */
  send(message: Uint8Array, opcode: number = Opcode.binary): void {
    if (this.#closed || this.#bytes + message.length + HEADER_BYTES > this.#limits.queueBytes + RESERVE_BYTES) return
    this.#append(opcode, message)
  }

  /** Writes what was collected, as far as the socket takes it. */
  flush(): void {
    this.#scheduled = false
    this.#seal()
    this.expire(this.#now())
    while (!this.#blocked && !this.#closed) {
      const batch = this.#waiting.shift()
      if (batch === undefined) return
      this.#release(batch)
      this.#blocked = !this.#socket.write(batch.bytes.subarray(0, batch.length))
      // Nothing is waiting to be written, so the system has it all.
      if (this.#socket.writableLength === 0) this.#turnEnd.giveBack(batch.bytes)
    }
  }

  /** Drops what has waited too long. */
  expire(now: number): void {
    for (let oldest = this.#waiting[0]; oldest !== undefined; oldest = this.#waiting[0]) {
      if (now - oldest.since <= this.#limits.queueAgeMs) return
      this.#waiting.shift()
      this.#release(oldest)
      this.#metrics.droppedAge += oldest.length
    }
  }

  /** Forgets what waits; nothing is taken any more. */
  close(): void {
    this.#closed = true
    this.#socket.off('drain', this.#onDrain)
    this.#seal()
    for (const batch of this.#waiting.splice(0)) this.#release(batch)
  }

  #append(opcode: number, message: Uint8Array): void {
    const header = headerLength(message.length)
    const needed = header + message.length
    if (this.#open !== undefined && this.#open.length + needed > this.#open.bytes.length) this.#seal()
    this.#open ??= {
      bytes: this.#turnEnd.buffer(Math.max(needed, this.#nextBatchBytes)),
      since: this.#now(),
      length: 0,
      messages: 0,
    }
    const { bytes, length } = this.#open
    writeHeader(bytes, length, opcode, message.length)
    bytes.set(message, length + header)
    this.#open.length += needed
    this.#open.messages++
    this.#bytes += needed
    this.#metrics.queuedBytes += needed
    if (!this.#scheduled) {
      this.#scheduled = true
      this.#turnEnd.add(this)
    }
  }

  /** Ends the open batch; the next one is as large as this one needed to be, or a little more. */
  #seal(): void {
    const batch = this.#open
    if (batch === undefined) return
    this.#open = undefined
    this.#waiting.push(batch)
    const full = batch.length * 2 > batch.bytes.length
    const next = full ? batch.bytes.length * 2 : batch.bytes.length / 2
    this.#nextBatchBytes = Math.min(LARGEST_BATCH_BYTES, Math.max(SMALLEST_BATCH_BYTES, next))
  }

  #release({ length }: Batch): void {
    this.#bytes -= length
    this.#metrics.queuedBytes -= length
  }

  readonly #onDrain = (): void => {
    this.#blocked = false
    this.flush()
  }
}

/** A frame's header: one byte of flags and opcode, then the length in 7, 7 + 16 or 7 + 64 bits. */
function headerLength(payload: number): number {
  if (payload < 126) return 2
  return payload <= 0xffff ? 4 : 10
}

function writeHeader(bytes: Buffer, at: number, opcode: number, payload: number): void {
  bytes[at] = 0x80 | opcode
  switch (headerLength(payload)) {
    case 2:
      bytes[at + 1] = payload
      return
    case 4:
      bytes[at + 1] = 126
      bytes.writeUInt16BE(payload, at + 2)
      return
    default:
      bytes[at + 1] = 127
      bytes.writeUInt32BE(0, at + 2)
      bytes.writeUInt32BE(payload, at + 6)
  }
}
