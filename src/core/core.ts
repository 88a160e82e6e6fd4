import { type AnypathError, createError } from '../errors/index.js'
import { AddressCodec, type SocketAddress } from './address.js'
import { ByteReader, ByteWriter } from './bytes.js'
import type { CoreGlue, RawCore } from './glue.js'
import { CoreMemory } from './memory.js'
import { DATAGRAM_OVERHEAD_BYTES, type OutputSink, readOutput, writeDatagram } from './records.js'
import { type ConnectionStatsRecord, type PeerStatsRecord, readConnectionStats, readPeerStats } from './stats.js'
import { readTicket, type TicketRecord, writeTicket } from './ticket.js'

/** Bytes of the input buffer: what is batched before it is ingested, and the largest piece of one write. */
const INPUT_BYTES = 256 * 1024

/** What a call on a stream or datagram gives besides its result: the error table's number and the application's code. */
export class CoreRefusal {
  readonly code: number
  readonly detail: number

  constructor(code: number, detail: number) {
    this.code = code
    this.detail = detail
  }
}

export interface DialRequest {
  readonly remoteId: Uint8Array
  readonly alpn: Uint8Array
  readonly earlyData: boolean
  readonly addresses: readonly (SocketAddress & { readonly carrier: number; readonly delayMs?: number })[]
}

/**
 * One instance of the core, with a memory of its own.
 *
 * No view over that memory leaves this folder: bytes are copied once on the way in and once on the way out. After a panic every
 * call throws the same `InternalError`, after `close` every call throws `PeerClosed`.
 */
export class Core {
  readonly addresses = new AddressCodec()
  /** Called once, from within the call that panicked; it must not call back. */
  onPanic: ((error: AnypathError) => void) | undefined
  readonly #glue: CoreGlue
  readonly #raw: RawCore
  readonly #memory: CoreMemory
  readonly #now: () => number
  readonly #encoder = new TextEncoder()
  #batched = 0
  #inputAt = 0
  #slab = new Uint8Array(128 * 1024)
  #failure: AnypathError | undefined

  /**
   * Instantiates `module` and constructs its core.
   *
   * @throws AnypathError `InvalidConfig`, `InvalidKey` or `InvalidArgument` as the core says, `InternalError` when it can't be instantiated.
   */
  constructor(module: WebAssembly.Module, glue: CoreGlue, config: Uint8Array, now: () => number) {
    this.#glue = glue
    this.#now = now
    try {
      this.#memory = new CoreMemory(glue.initSync({ module }).memory)
      this.#raw = new glue.Core(config)
    } catch (thrown) {
      throw constructionError(thrown)
    }
  }

  /**
   * Adds a received packet to the batch; `ingest` hands the batch over.
   *
   * @returns false when the packet can't be taken: it is larger than a UDP payload can be.
   */
  pushDatagram(carrier: number, address: Uint8Array, ecn: number, packet: Uint8Array): boolean {
    if (packet.length > 0xffff) return false
    const length = DATAGRAM_OVERHEAD_BYTES + packet.length
    if (this.#batched + length > INPUT_BYTES) this.ingest()
    if (this.#batched === 0) this.#inputAt = this.#input(INPUT_BYTES)
    const start = this.#inputAt + this.#batched
    const end = writeDatagram(this.#memory.bytes, this.#memory.view, start, carrier, address, ecn, packet)
    this.#batched = end - this.#inputAt
    return true
  }

  /** Hands all batched packets to the core. */
  ingest(): void {
    if (this.#batched === 0) return
    const length = this.#batched
    this.#batched = 0
    this.#call((raw) => raw.ingest(this.#now(), length))
  }

  /**
   * Lets the core act, and hands everything that it wants done to the sink.
   *
   * @param maxBytes how many bytes of packets may come out.
   * @returns whether anything came out.
   */
  drain(maxBytes: number, sink: OutputSink): boolean {
    this.ingest()
    const length = this.#call((raw) => raw.drain(this.#now(), maxBytes))
    if (length === 0) return false
    // One copy for everything: the records can then be read, and packets sent, while the core's memory may move.
    if (this.#slab.length < length) this.#slab = new Uint8Array(length * 2)
    this.#slab.set(this.#memory.bytes.subarray(...this.#output(length)))
    readOutput(this.#slab.subarray(0, length), this.addresses, sink)
    return true
  }

  /** Leaves the packets of the last drain to whoever still has them; the next drain gets a buffer of its own. */
  releasePackets(): void {
    this.#slab = new Uint8Array(this.#slab.length)
  }

  /** When to drain next at the latest, on the clock of `now`; `Infinity` for never. */
  nextWake(): number {
    return this.#call((raw) => raw.next_wake())
  }

  endpointId(): Uint8Array<ArrayBuffer> {
    this.#call((raw) => raw.endpoint_id())
    return this.#copyOutput(32)
  }

  setCarrier(id: number, kind: 'udp' | 'memory', maxPacketBytes: number): void {
    this.#call((raw) => raw.set_carrier(id, kind === 'udp' ? 0 : 1, maxPacketBytes))
  }

  removeCarrier(id: number): void {
    this.#call((raw) => raw.remove_carrier(this.#now(), id))
  }

  /**
   * Starts a dial.
   *
   * @returns the connection's id.
   * @throws AnypathError as the core says, for example `NoAddress` or `InvalidKey`; `InvalidArgument` for a host that is no IP address.
   */
  connect(request: DialRequest): number {
    const length = this.#place(this.#encodeDial(request))
    const connection = this.#call((raw) => raw.connect(this.#now(), length))
    if (connection === 0) throw this.#lastError()
    return connection
  }

  admit(incoming: number, decision: number): boolean {
    return this.#call((raw) => raw.admit(this.#now(), incoming, decision))
  }

  /** The stream's id, `'blocked'` while the remote allows no more, `'closed'` when the connection is. */
  openStream(connection: number, bidirectional: boolean): number | 'blocked' | 'closed' {
    const stream = this.#call((raw) => raw.open_stream(connection, bidirectional))
    if (stream >= 0) return stream
    return stream === -1 ? 'blocked' : 'closed'
  }

  /** Gives bytes from `offset` to a stream; how many were taken, 0 = blocked until WRITABLE. At most one buffer's worth is taken. */
  write(connection: number, stream: number, bytes: Uint8Array, offset: number): number | CoreRefusal {
    const piece = bytes.length - offset > INPUT_BYTES ? bytes.subarray(offset, offset + INPUT_BYTES) : bytes.subarray(offset)
    const length = this.#place(piece)
    const taken = this.#call((raw) => raw.write(connection, stream, length))
    return taken >= 0 ? taken : this.#refusal(-taken)
  }

  /** The next bytes of a stream, as many as there are up to `max`; `'empty'` until READABLE, `'finished'` at the end. */
  read(connection: number, stream: number, max: number): Uint8Array<ArrayBuffer> | 'empty' | 'finished' | CoreRefusal {
    const length = this.#call((raw) => raw.read(connection, stream, max))
    if (length > 0) return this.#copyOutput(length)
    if (length === 0) return 'empty'
    return length === -1 ? 'finished' : this.#refusal(-length)
  }

  finish(connection: number, stream: number): CoreRefusal | undefined {
    return this.#outcome(this.#call((raw) => raw.finish(connection, stream)))
  }

  reset(connection: number, stream: number, code: number): CoreRefusal | undefined {
    return this.#outcome(this.#call((raw) => raw.reset(connection, stream, code)))
  }

  stop(connection: number, stream: number, code: number): CoreRefusal | undefined {
    return this.#outcome(this.#call((raw) => raw.stop(connection, stream, code)))
  }

  setPriority(connection: number, stream: number, priority: number): CoreRefusal | undefined {
    return this.#outcome(this.#call((raw) => raw.set_priority(connection, stream, priority)))
  }

  sendDatagram(connection: number, bytes: Uint8Array): CoreRefusal | undefined {
    const length = this.#place(bytes)
    return this.#outcome(this.#call((raw) => raw.send_datagram(connection, length)))
  }

  maxDatagramBytes(connection: number): number {
    return this.#call((raw) => raw.max_datagram_bytes(connection))
  }

  closeConnection(connection: number, code: number, reason: string): void {
    const length = this.#place(this.#encoder.encode(reason))
    this.#call((raw) => raw.close(this.#now(), connection, code, length))
  }

  /** Closes every connection and refuses new ones. */
  shutdown(code: number, reason: string): void {
    const length = this.#place(this.#encoder.encode(reason))
    this.#call((raw) => raw.shutdown(this.#now(), code, length))
  }

  connectionStats(connection: number): ConnectionStatsRecord | undefined {
    const length = this.#call((raw) => raw.connection_stats(connection))
    return length === 0 ? undefined : readConnectionStats(new ByteReader(this.#copyOutput(length)), this.addresses)
  }

  peerStats(): PeerStatsRecord {
    const length = this.#call((raw) => raw.peer_stats())
    return readPeerStats(new ByteReader(this.#copyOutput(length)))
  }

  ping(connection: number): void {
    this.#call((raw) => raw.ping(connection))
  }

  keyUpdate(connection: number): void {
    this.#call((raw) => raw.key_update(connection))
  }

  networkChanged(): void {
    this.#call((raw) => raw.network_changed(this.#now()))
  }

  /** @throws AnypathError `InvalidTicket`. */
  parseTicket(text: string): TicketRecord {
    const bytes = this.#encoder.encode(text)
    // A ticket has at most a few kilobytes; this keeps a mistaken argument from growing the memory for good.
    if (bytes.length > INPUT_BYTES) throw createError('InvalidTicket', `${bytes.length} bytes are too many for a ticket`)
    const input = this.#place(bytes)
    const length = this.#call((raw) => raw.parse_ticket(input))
    if (length === 0) throw this.#lastError()
    return readTicket(new ByteReader(this.#copyOutput(length)), this.addresses)
  }

  /** @throws AnypathError `InvalidTicket`, `InvalidKey` or `InvalidArgument`. */
  formatTicket(ticket: TicketRecord): string {
    const writer = new ByteWriter()
    writeTicket(writer, ticket, this.addresses)
    const input = this.#place(writer.written)
    const length = this.#call((raw) => raw.format_ticket(input))
    if (length === 0) throw this.#lastError()
    return new TextDecoder().decode(this.#copyOutput(length))
  }

  /** Releases the instance. Idempotent. */
  close(): void {
    const alive = this.#failure === undefined
    this.#failure ??= createError('PeerClosed', 'the peer is closed')
    if (!alive) return
    try {
      this.#raw.free()
    } catch {
      // The memory goes with the instance; a core that can't be dropped in order has nothing left to lose.
    }
  }

  #encodeDial(request: DialRequest): Uint8Array {
    if (request.remoteId.length !== 32) throw createError('InvalidKey', `the remote id has ${request.remoteId.length} bytes, not 32`)
    const writer = new ByteWriter().bytes(request.remoteId).u32(request.earlyData ? 1 : 0)
    writer.bytes8(request.alpn, 'alpn').u16(request.addresses.length)
    for (const { carrier, host, port, delayMs } of request.addresses) {
      const bytes = this.addresses.encode(host, port)
      if (!bytes) throw createError('InvalidArgument', `${host} port ${port} is no IP address`)
      writer.u32(carrier).bytes(bytes).u16(Math.min(Math.max(delayMs ?? 0, 0), 0xffff))
    }
    return writer.written
  }

  /** Puts bytes into the input buffer, after the batch that lies there is ingested. */
  #place(bytes: Uint8Array): number {
    this.ingest()
    if (bytes.length > 0) this.#memory.write(this.#input(bytes.length), bytes)
    return bytes.length
  }

  #input(length: number): number {
    return this.#call((raw) => raw.input(length))
  }

  #output(length: number): [start: number, end: number] {
    const start = this.#call((raw) => raw.output())
    return [start, start + length]
  }

  #copyOutput(length: number): Uint8Array<ArrayBuffer> {
    return this.#memory.bytes.slice(...this.#output(length))
  }

  #outcome(result: number): CoreRefusal | undefined {
    return result < 0 ? this.#refusal(-result) : undefined
  }

  #refusal(code: number): CoreRefusal {
    return new CoreRefusal(code, this.#call((raw) => raw.last_detail()))
  }

  #lastError(): AnypathError {
    const code = this.#call((raw) => raw.last_error())
    const length = this.#call((raw) => raw.last_error_length())
    return createError(code, new TextDecoder().decode(this.#copyOutput(length)))
  }

  /** The only way into the instance: what it throws is a panic, and poisons it. */
  #call<Result>(use: (raw: RawCore) => Result): Result {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return use(this.#raw)
    } catch (thrown) {
      const error = this.#panicError(thrown)
      this.#failure = error
      this.onPanic?.(error)
      throw error
    }
  }

  #panicError(thrown: unknown): AnypathError {
    let message = ''
    try {
      message = this.#glue.panic_message()
    } catch {
      // An instance that can't even say why is reported by what was thrown.
    }
    return createError('InternalError', `the core panicked: ${message || String(thrown)}`, { cause: thrown })
  }
}

/** The constructor throws an `Error` with the text `code: message`; anything else is a defect. */
function constructionError(thrown: unknown): AnypathError {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const found = /^(\d+): ([\s\S]*)$/.exec(text)
  if (!found) return createError('InternalError', `the core can't be started: ${text}`, { cause: thrown })
  return createError(Number(found[1]), found[2] ?? '', { cause: thrown })
}
