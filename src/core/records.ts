import { createError } from '../errors/index.js'
import { ADDRESS_BYTES, type AddressCodec, type SocketAddress } from './address.js'
import { ByteReader } from './bytes.js'
import { type RelayRecord, readRelay } from './relay.js'
import type { SessionRequestRecord } from './session.js'

/** Bytes of the header `[kind u8][id u32][len u32]`. */
export const HEADER_BYTES = 9

/** Bytes that an input DATAGRAM record has besides the packet: header, source address, ECN. */
export const DATAGRAM_OVERHEAD_BYTES = HEADER_BYTES + ADDRESS_BYTES + 1

const INPUT_DATAGRAM = 1
const INPUT_RELAY_MESSAGE = 2

/** A path as the core names it. */
export interface PathRecord {
  readonly pathId: number
  readonly carrier: number
  readonly address: SocketAddress
  readonly rttMs: number
}

export interface ConnectedRecord {
  readonly remoteId: Uint8Array<ArrayBuffer>
  readonly incoming: boolean
  readonly early: boolean
  readonly group: number
  readonly cipher: number
  readonly resumed: boolean
  readonly path: PathRecord
  readonly alpn: Uint8Array<ArrayBuffer>
}

export interface ClosedRecord {
  readonly code: number
  readonly by: number
  readonly wireCode: number
  readonly reason: string
}

/** A search for a direct path. */
export interface SearchRecord {
  readonly byCollision: boolean
  readonly found: number
  readonly round: number
  readonly candidates: number
  readonly probes: number
  readonly elapsedMs: number
  readonly remote?: SocketAddress
}

/**
 * Takes the output records of one drain, in order. Its methods must not call the core.
 *
 * `packets` are only valid until the next drain; all other bytes are the receiver's own.
 */
export interface OutputSink {
  transmit(carrier: number, address: SocketAddress, packets: Uint8Array<ArrayBuffer>, segmentBytes: number): void
  connected(connection: number, record: ConnectedRecord): void
  closed(connection: number, record: ClosedRecord): void
  streamOpened(connection: number, stream: number, bidirectional: boolean): void
  readable(connection: number, stream: number): void
  writable(connection: number, stream: number): void
  streamFinished(connection: number, stream: number): void
  streamStopped(connection: number, stream: number, code: number): void
  streamsAvailable(connection: number, bidirectional: boolean): void
  datagram(connection: number, bytes: Uint8Array<ArrayBuffer>): void
  datagramsUnblocked(connection: number): void
  path(connection: number, event: number, path: PathRecord): void
  state(connection: number, from: number, to: number, cause: number, elapsedMs: number): void
  incoming(incoming: number, carrier: number, address: SocketAddress, validated: boolean): void
  log(level: number, target: string, message: string): void
  qlog(connection: number, bytes: Uint8Array<ArrayBuffer>): void
  earlyData(connection: number, accepted: boolean): void
  drained(connection: number): void
  /** A WebSocket is wanted. */
  relayOpen(relay: number, url: string): void
  /** `message` is only valid until the next drain. */
  relaySend(relay: number, message: Uint8Array<ArrayBuffer>): void
  /** A WebSocket is not wanted any more. */
  relayClose(relay: number): void
  relay(relay: number, record: RelayRecord): void
  /** The remote's addresses are wanted anew. */
  discover(connection: number): void
  /** A UDP socket beside the main one is wanted: `setCarrier` tells that it is open, `removeCarrier` that it can't be. */
  socketOpen(carrier: number): void
  /** It is not wanted any more. */
  socketClose(carrier: number): void
  /** A search for a direct path is over. */
  search(connection: number, record: SearchRecord): void
  /** A browser wants a session: answer with `answerSession`. */
  sessionRequested(session: number, record: SessionRequestRecord): void
}

/**
 * Hands each output record in `bytes` to the sink.
 *
 * @throws AnypathError `InternalError` at the first record that is malformed; those before it were handed over.
 */
export function readOutput(bytes: Uint8Array<ArrayBuffer>, addresses: AddressCodec, sink: OutputSink): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let offset = 0
  while (offset < bytes.length) {
    if (bytes.length - offset < HEADER_BYTES)
      throw createError('InternalError', "the core's output ends within a header")
    const kind = bytes[offset] ?? 0
    const id = view.getUint32(offset + 1, true)
    const start = offset + HEADER_BYTES
    const end = start + view.getUint32(offset + 5, true)
    if (end > bytes.length) throw createError('InternalError', `the core's output ends within a record of kind ${kind}`)
    if (kind === 1) readTransmit(bytes, view, id, start, end, addresses, sink)
    else if (kind === 20) sink.relaySend(id, bytes.subarray(start, end))
    else readEvent(kind, id, new ByteReader(bytes, start, end), addresses, sink)
    offset = end
  }
}

function readTransmit(
  bytes: Uint8Array<ArrayBuffer>,
  view: DataView,
  carrier: number,
  start: number,
  end: number,
  addresses: AddressCodec,
  sink: OutputSink,
): void {
  const packets = start + ADDRESS_BYTES
  if (end < packets) throw createError('InternalError', "the core's output has a TRANSMIT without an address")
  sink.transmit(carrier, addresses.decode(bytes, start), bytes.subarray(packets, end), view.getUint16(start + 18, true))
}

function readEvent(kind: number, id: number, reader: ByteReader, addresses: AddressCodec, sink: OutputSink): void {
  switch (kind) {
    case 2:
      sink.connected(id, readConnected(reader, addresses))
      return
    case 3:
      sink.closed(id, {
        code: reader.u16(),
        by: reader.u8(),
        wireCode: reader.f64(),
        reason: reader.text(reader.u16()),
      })
      return
    case 4:
      sink.streamOpened(id, reader.f64(), reader.bool())
      return
    case 5:
      sink.readable(id, reader.f64())
      return
    case 6:
      sink.writable(id, reader.f64())
      return
    case 7:
      sink.streamFinished(id, reader.f64())
      return
    case 8:
      sink.streamStopped(id, reader.f64(), reader.f64())
      return
    case 9:
      sink.streamsAvailable(id, reader.bool())
      return
    case 10:
      sink.datagram(id, reader.bytes(reader.remaining))
      return
    case 11:
      sink.datagramsUnblocked(id)
      return
    case 12:
      readPathEvent(id, reader, addresses, sink)
      return
    case 13:
      sink.state(id, reader.u8(), reader.u8(), reader.u8(), reader.f64())
      return
    case 14:
      readIncoming(id, reader, addresses, sink)
      return
    case 15:
      sink.log(reader.u8(), reader.text(reader.u16()), reader.text(reader.u16()))
      return
    case 16:
      sink.qlog(id, reader.bytes(reader.remaining))
      return
    case 17:
      sink.earlyData(id, reader.bool())
      return
    case 18:
      sink.drained(id)
      return
    case 19:
      sink.relayOpen(id, reader.text(reader.remaining))
      return
    case 21:
      sink.relayClose(id)
      return
    case 22:
      sink.relay(id, readRelay(reader))
      return
    case 23:
      sink.discover(id)
      return
    case 24:
      sink.socketOpen(id)
      return
    case 25:
      sink.socketClose(id)
      return
    case 26:
      sink.sessionRequested(id, readSessionRequest(reader, addresses))
      return
    case 27:
      sink.search(id, readSearch(reader, addresses))
      return
    default:
      throw createError('InternalError', `the core's output has a record of unknown kind ${kind}`)
  }
}

function readConnected(reader: ByteReader, addresses: AddressCodec): ConnectedRecord {
  const remoteId = reader.bytes(32)
  const incoming = reader.bool()
  const early = reader.bool()
  const group = reader.u16()
  const cipher = reader.u16()
  const resumed = reader.bool()
  const path = readPath(0, reader, addresses)
  return { remoteId, incoming, early, group, cipher, resumed, path, alpn: reader.bytes(reader.u8()) }
}

function readIncoming(id: number, reader: ByteReader, addresses: AddressCodec, sink: OutputSink): void {
  const address = readAddress(reader, addresses)
  const validated = reader.bool()
  sink.incoming(id, reader.u32(), address, validated)
}

function readSessionRequest(reader: ByteReader, addresses: AddressCodec): SessionRequestRecord {
  const carrier = reader.u32()
  const address = readAddress(reader, addresses)
  const text = () => reader.text(reader.u16())
  return { carrier, address, authority: text(), path: text(), origin: text() }
}

function readSearch(reader: ByteReader, addresses: AddressCodec): SearchRecord {
  const byCollision = reader.bool()
  const found = reader.u8()
  const [round, candidates, probes, elapsedMs] = [reader.u32(), reader.u16(), reader.u32(), reader.f64()]
  const remote = reader.remaining > 0 ? { remote: readAddress(reader, addresses) } : {}
  return { byCollision, found, round, candidates, probes, elapsedMs, ...remote }
}

function readPathEvent(id: number, reader: ByteReader, addresses: AddressCodec, sink: OutputSink): void {
  const pathId = reader.u32()
  const event = reader.u8()
  sink.path(id, event, readPath(pathId, reader, addresses))
}

function readPath(pathId: number, reader: ByteReader, addresses: AddressCodec): PathRecord {
  return { pathId, carrier: reader.u32(), address: readAddress(reader, addresses), rttMs: reader.f64() }
}

/** Reads the 24 bytes of an address as text and number. */
export function readAddress(reader: ByteReader, addresses: AddressCodec): SocketAddress {
  return addresses.decode(reader.view(ADDRESS_BYTES), 0)
}

/** Writes one input DATAGRAM record at `offset` and gives the offset behind it; the caller has made sure that it fits. */
export function writeDatagram(
  target: Uint8Array,
  view: DataView,
  offset: number,
  carrier: number,
  address: Uint8Array,
  ecn: number,
  packet: Uint8Array,
): number {
  target[offset] = INPUT_DATAGRAM
  view.setUint32(offset + 1, carrier, true)
  view.setUint32(offset + 5, ADDRESS_BYTES + 1 + packet.length, true)
  target.set(address, offset + HEADER_BYTES)
  target[offset + HEADER_BYTES + ADDRESS_BYTES] = ecn
  target.set(packet, offset + DATAGRAM_OVERHEAD_BYTES)
  return offset + DATAGRAM_OVERHEAD_BYTES + packet.length
}

/** Writes one input RELAY_MESSAGE record at `offset` and gives the offset behind it; the caller has made sure that it fits. */
export function writeRelayMessage(
  target: Uint8Array,
  view: DataView,
  offset: number,
  relay: number,
  message: Uint8Array,
): number {
  target[offset] = INPUT_RELAY_MESSAGE
  view.setUint32(offset + 1, relay, true)
  view.setUint32(offset + 5, message.length, true)
  target.set(message, offset + HEADER_BYTES)
  return offset + HEADER_BYTES + message.length
}
