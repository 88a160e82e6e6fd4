import { type AnypathError, createError } from '../errors/index.js'
import { AddressCodec } from './address.js'
import { ByteReader, ByteWriter } from './bytes.js'
import {
  type DialRequest,
  type DialTargets,
  type DiscoveryServicesRequest,
  encodeAddresses,
  encodeDial,
  encodeDiscoveryServices,
  encodeRelays,
  encodeTargets,
} from './dial.js'
import type { RawCore } from './glue.js'
import { type CoreInstance, INPUT_BYTES } from './instance.js'
import {
  type EndpointRecord,
  encodePacket,
  encodeRecord,
  PACKET_ID_BYTES,
  type RecordContent,
  readRecord,
} from './record.js'
import { type OutputSink, readOutput } from './records.js'
import { type CertificateRecord, readCertificates } from './session.js'
import { type ConnectionStatsRecord, type PeerStatsRecord, readConnectionStats, readPeerStats } from './stats.js'
import { readTicket, type TicketRecord, writeTicket } from './ticket.js'

/** What a call on a stream or datagram gives besides its result: the error table's number and the application's code. */
export class CoreRefusal {
  readonly code: number
  readonly detail: number

  constructor(code: number, detail: number) {
    this.code = code
    this.detail = detail
  }
}

/** In the order of their numbers. */
const CARRIER_KINDS = ['udp', 'memory', 'webtransport'] as const

/** What one message of the relay protocol holds at most. */
const MAX_RELAY_MESSAGE_BYTES = 65_536

/** The core's calls with types: what `docs/boundary.md` says, as methods. Failures are those of `CoreInstance`. */
export class Core {
  readonly addresses = new AddressCodec()
  readonly #instance: CoreInstance
  readonly #encoder = new TextEncoder()
  readonly #decoder = new TextDecoder()
  #slab = new Uint8Array(128 * 1024)

  constructor(instance: CoreInstance) {
    this.#instance = instance
  }

  /** Told once when the core panics, from within the call that did; it must not call back. */
  set onPanic(listener: (error: AnypathError) => void) {
    this.#instance.onPanic = listener
  }

  /**
   * Adds a received packet to the batch that the next `drain` (or a full buffer) hands over.
   *
   * @returns false when the packet can't be taken: it is larger than a UDP payload can be.
   */
  pushDatagram(carrier: number, address: Uint8Array, ecn: number, packet: Uint8Array): boolean {
    if (packet.length > 0xffff) return false
    this.#instance.pushDatagram(carrier, address, ecn, packet)
    return true
  }

  /**
   * Hands over what came in, lets the core act, and gives everything that it wants done to the sink.
   *
   * @param maxBytes how many bytes of packets may come out.
   * @returns whether anything came out.
   */
  drain(maxBytes: number, sink: OutputSink): boolean {
    this.#instance.ingest()
    const length = this.#call((raw, now) => raw.drain(now(), maxBytes))
    if (length === 0) return false
    // One copy for everything: the records can then be read, and packets sent, while the core's memory may move.
    if (this.#slab.length < length) this.#slab = new Uint8Array(length * 2)
    this.#instance.copyOutputTo(this.#slab, length)
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
    return this.#instance.copyOutput(32)
  }

  /** A WebTransport session is not open while it takes no bytes. */
  setCarrier(id: number, kind: (typeof CARRIER_KINDS)[number], maxPacketBytes: number): void {
    this.#call((raw, now) => raw.set_carrier(now(), id, CARRIER_KINDS.indexOf(kind), maxPacketBytes))
  }

  removeCarrier(id: number): void {
    this.#call((raw, now) => raw.remove_carrier(now(), id))
  }

  /**
   * Starts a dial.
   *
   * @returns the connection's id.
   * @throws AnypathError as the core says, for example `NoAddress` or `InvalidKey`; `InvalidArgument` for a host that is no IP address.
   */
  connect(request: DialRequest): number {
    const length = this.#instance.place(encodeDial(request, this.addresses))
    const connection = this.#call((raw, now) => raw.connect(now(), length))
    if (connection === 0) throw this.#lastError()
    return connection
  }

  /** Gives a connection further places where its remote may be. */
  addAddresses(connection: number, targets: DialTargets): void {
    const length = this.#instance.place(encodeTargets(targets, this.addresses))
    this.#call((raw, now) => raw.add_addresses(now(), connection, length))
  }

  /** The relays among which the home relay is chosen, by URL; none: relays are not used. */
  setRelays(urls: readonly string[]): void {
    const length = this.#instance.place(encodeRelays(urls))
    this.#call((raw, now) => raw.set_relays(now(), length))
  }

  /** This machine's addresses at which the main socket is reached; none: no direct paths are looked for. */
  setLocalAddresses(addresses: readonly { readonly host: string; readonly port: number }[]): void {
    const length = this.#instance.place(encodeAddresses(addresses, this.addresses))
    this.#call((raw, now) => raw.set_local_addresses(now(), length))
  }

  /** The STUN servers that are asked for this machine's public addresses; the core for browsers has no socket to ask from. */
  setStunServers(servers: readonly { readonly host: string; readonly port: number }[]): void {
    const length = this.#instance.place(encodeAddresses(servers, this.addresses))
    this.#call((raw, now) => raw.set_stun_servers?.(now(), length))
  }

  /** Where routers forward to the main socket; the core for browsers has none. */
  setMappedAddresses(addresses: readonly { readonly host: string; readonly port: number }[]): void {
    const length = this.#instance.place(encodeAddresses(addresses, this.addresses))
    this.#call((raw, now) => raw.set_mapped_addresses?.(now(), length))
  }

  /**
   * The address-discovery services that are asked for the same.
   *
   * @returns false when the core can't use them: none of a set's certificates is one, or a name is none.
   */
  setDiscoveryServices(request: DiscoveryServicesRequest): boolean {
    const length = this.#instance.place(encodeDiscoveryServices(request, this.addresses))
    return this.#call((raw, now) => raw.set_discovery_services?.(now(), length) ?? true)
  }

  /** Answers a request for a session with an HTTP status; false when the question is no longer open. */
  answerSession(session: number, status: number): boolean {
    return this.#call((raw, now) => raw.answer_session?.(now(), session, status) ?? false)
  }

  /** What browsers know this peer by: now, and afterwards. Nothing where none are listened for. */
  webTransportCertificates(): CertificateRecord[] {
    const length = this.#call((raw, now) => raw.web_transport_certificates?.(now()) ?? 0)
    return length === 0 ? [] : readCertificates(new ByteReader(this.#instance.copyOutput(length)))
  }

  /** A relay's WebSocket is open. */
  relayOpened(relay: number, protocol: number): void {
    this.#call((raw, now) => raw.relay_opened(now(), relay, protocol))
  }

  /** A relay's WebSocket was closed, or could not be opened. */
  relayClosed(relay: number, reason: string): void {
    const length = this.#instance.place(this.#encoder.encode(reason))
    this.#call((raw, now) => raw.relay_closed(now(), relay, length))
  }

  /**
   * Adds a message of a relay to the batch that the next `drain` hands over.
   *
   * @returns false when it is larger than a relay may send.
   */
  pushRelayMessage(relay: number, message: Uint8Array): boolean {
    if (message.length > MAX_RELAY_MESSAGE_BYTES) return false
    this.#instance.pushRelayMessage(relay, message)
    return true
  }

  setVisible(visible: boolean): void {
    this.#call((raw, now) => raw.set_visible(now(), visible))
  }

  /** Time has passed in which nothing ran. */
  resumed(): void {
    this.#call((raw, now) => raw.resumed(now()))
  }

  admit(incoming: number, decision: number): boolean {
    return this.#call((raw, now) => raw.admit(now(), incoming, decision))
  }

  /** The stream's id, `'blocked'` while the remote allows no more, `'closed'` when the connection is. */
  openStream(connection: number, bidirectional: boolean): number | 'blocked' | 'closed' {
    const stream = this.#call((raw) => raw.open_stream(connection, bidirectional))
    if (stream >= 0) return stream
    return stream === -1 ? 'blocked' : 'closed'
  }

  /** Gives bytes from `offset` to a stream; how many were taken, 0 = blocked until WRITABLE. At most one buffer's worth is taken. */
  write(connection: number, stream: number, bytes: Uint8Array, offset: number): number | CoreRefusal {
    const piece =
      bytes.length - offset > INPUT_BYTES ? bytes.subarray(offset, offset + INPUT_BYTES) : bytes.subarray(offset)
    const length = this.#instance.place(piece)
    const taken = this.#call((raw) => raw.write(connection, stream, length))
    return taken >= 0 ? taken : this.#refusal(-taken)
  }

  /** The next bytes of a stream, as many as there are up to `max`; `'empty'` until READABLE, `'finished'` at the end. */
  read(connection: number, stream: number, max: number): Uint8Array<ArrayBuffer> | 'empty' | 'finished' | CoreRefusal {
    const length = this.#call((raw) => raw.read(connection, stream, max))
    if (length > 0) return this.#instance.copyOutput(length)
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
    const length = this.#instance.place(bytes)
    return this.#outcome(this.#call((raw) => raw.send_datagram(connection, length)))
  }

  maxDatagramBytes(connection: number): number {
    return this.#call((raw) => raw.max_datagram_bytes(connection))
  }

  closeConnection(connection: number, code: number, reason: string): void {
    const length = this.#instance.place(this.#encoder.encode(reason))
    this.#call((raw, now) => raw.close(now(), connection, code, length))
  }

  /** Closes every connection and refuses new ones. */
  shutdown(code: number, reason: string): void {
    const length = this.#instance.place(this.#encoder.encode(reason))
    this.#call((raw, now) => raw.shutdown(now(), code, length))
  }

  connectionStats(connection: number): ConnectionStatsRecord | undefined {
    const length = this.#call((raw) => raw.connection_stats(connection))
    return length === 0
      ? undefined
      : readConnectionStats(new ByteReader(this.#instance.copyOutput(length)), this.addresses)
  }

  peerStats(): PeerStatsRecord {
    const length = this.#call((raw) => raw.peer_stats())
    return readPeerStats(new ByteReader(this.#instance.copyOutput(length)), this.addresses)
  }

  ping(connection: number): void {
    this.#call((raw) => raw.ping(connection))
  }

  keyUpdate(connection: number): void {
    this.#call((raw) => raw.key_update(connection))
  }

  networkChanged(): void {
    this.#call((raw, now) => raw.network_changed(now()))
  }

  /** @throws AnypathError `InvalidTicket`. */
  parseTicket(text: string): TicketRecord {
    const bytes = this.#encoder.encode(text)
    // A ticket has at most a few kilobytes; this keeps a mistaken argument from growing the memory for good.
    if (bytes.length > INPUT_BYTES)
      throw createError('InvalidTicket', `${bytes.length} bytes are too many for a ticket`)
    const ticket = this.#convert(bytes, (raw, length) => raw.parse_ticket(length))
    return readTicket(new ByteReader(ticket), this.addresses)
  }

  /** @throws AnypathError `InvalidTicket`, `InvalidKey` or `InvalidArgument`. */
  formatTicket(ticket: TicketRecord): string {
    const writer = new ByteWriter()
    writeTicket(writer, ticket, this.addresses)
    return this.#decoder.decode(this.#convert(writer.written, (raw, length) => raw.format_ticket(length)))
  }

  /**
   * Signs what this peer says about itself, at a time in microseconds since the Unix epoch; what HTTP relays of pkarr take.
   *
   * @throws AnypathError `InvalidArgument` when a record can't say it.
   */
  signRecord(content: RecordContent, ttlSeconds: number, timestampMicros: number): Uint8Array<ArrayBuffer> {
    const bytes = encodeRecord(content, ttlSeconds, timestampMicros, this.addresses)
    return this.#convert(bytes, (raw, length) => raw.sign_record(timestampMicros, length)).subarray(PACKET_ID_BYTES)
  }

  /** Checks what HTTP relays of pkarr gave for an id, and reads it. @throws AnypathError `InvalidRecord`, `InvalidKey`. */
  readRecord(id: Uint8Array, packet: Uint8Array): EndpointRecord {
    const record = this.#convert(encodePacket(id, packet), (raw, length) => raw.read_record(length))
    return readRecord(new ByteReader(record), this.addresses)
  }

  /** Releases the instance. Idempotent. */
  close(): void {
    this.#instance.close()
  }

  /** A call from bytes to bytes; 0 is a failure. */
  #convert(input: Uint8Array, use: (raw: RawCore, length: number) => number): Uint8Array<ArrayBuffer> {
    const inputLength = this.#instance.place(input)
    const length = this.#call((raw) => use(raw, inputLength))
    if (length === 0) throw this.#lastError()
    return this.#instance.copyOutput(length)
  }

  #outcome(result: number): CoreRefusal | undefined {
    return result < 0 ? this.#refusal(-result) : undefined
  }

  #refusal(code: number): CoreRefusal {
    return new CoreRefusal(
      code,
      this.#call((raw) => raw.last_detail()),
    )
  }

  #lastError(): AnypathError {
    const code = this.#call((raw) => raw.last_error())
    const length = this.#call((raw) => raw.last_error_length())
    return createError(code, this.#decoder.decode(this.#instance.copyOutput(length)))
  }

  #call<Result>(use: (raw: RawCore, now: () => number) => Result): Result {
    return this.#instance.call(use)
  }
}
