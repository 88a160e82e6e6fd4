import { createError } from '../errors/index.js'
import type { AddressCodec } from './address.js'
import { type ByteReader, ByteWriter } from './bytes.js'
import { readTicket, type TicketRecord, writeTicket } from './ticket.js'

/** How many bytes of a signed packet come before what HTTP relays of pkarr take and give: the id. */
export const PACKET_ID_BYTES = 32
/** The most bytes of the rest: signature, timestamp, and a DNS message of 1,000 bytes. */
export const MAX_PAYLOAD_BYTES = 64 + 8 + 1000

/** What a peer says about itself in a record. */
export interface RecordContent {
  /** Who it is, where it can be reached, and whether it is one of anypath's. */
  readonly endpoint: TicketRecord
  /** What the application adds, at most 245 bytes of UTF-8, less about 10 for an anypath peer. */
  readonly userData?: string | undefined
}

/** A `Record` of the boundary: what was signed, and when. */
export interface EndpointRecord extends RecordContent {
  /** Microseconds since the Unix epoch; of two records the later one counts. */
  readonly timestampMicros: bigint
}

/** Reads a `Record` of the boundary. */
export function readRecord(reader: ByteReader, addresses: AddressCodec): EndpointRecord {
  const timestampMicros = reader.u64()
  const hasUserData = (reader.u8() & 1) !== 0
  const userData = reader.text(reader.u16())
  const endpoint = readTicket(reader, addresses)
  return hasUserData ? { timestampMicros, endpoint, userData } : { timestampMicros, endpoint }
}

/**
 * What `sign_record` takes.
 *
 * @param ttlSeconds how long DNS caches may keep the record, up to 2^31 - 1 (RFC 2181, section 8).
 * @throws AnypathError as `writeTicket` does; `InvalidArgument` when the user data, the time to live or the timestamp is out of range.
 */
export function encodeRecord(
  content: RecordContent,
  ttlSeconds: number,
  timestampMicros: number,
  addresses: AddressCodec,
): Uint8Array {
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 0 || ttlSeconds > 0x7fff_ffff)
    throw createError('InvalidArgument', `${ttlSeconds} seconds are no time to live`)
  if (!Number.isSafeInteger(timestampMicros) || timestampMicros < 0)
    throw createError('InvalidArgument', `${timestampMicros} is no time in microseconds`)
  const writer = new ByteWriter().u32(ttlSeconds).u8(content.userData === undefined ? 0 : 1)
  writer.text16(content.userData ?? '', 'the user data')
  writeTicket(writer, content.endpoint, addresses)
  return writer.written
}

/**
 * What `read_record` takes.
 *
 * @throws AnypathError `InvalidKey` when the id is not 32 bytes, `InvalidRecord` when the packet is too large to be one.
 */
export function encodePacket(id: Uint8Array, packet: Uint8Array): Uint8Array {
  if (id.length !== PACKET_ID_BYTES) throw createError('InvalidKey', `the id has ${id.length} bytes, not 32`)
  if (packet.length > MAX_PAYLOAD_BYTES)
    throw createError('InvalidRecord', `${packet.length} bytes are too many for a record`)
  return new ByteWriter().bytes(id).bytes(packet).written
}
