import { createError } from '../errors/index.js'
import { ADDRESS_BYTES, type AddressCodec } from './address.js'
import type { ByteReader, ByteWriter } from './bytes.js'

/** One address of a ticket. */
export type TicketAddressRecord =
  | { readonly kind: 'relay'; readonly url: string }
  | { readonly kind: 'ip'; readonly host: string; readonly port: number }
  | { readonly kind: 'custom'; readonly transportId: bigint; readonly data: Uint8Array }
  | { readonly kind: 'unknown'; readonly data: Uint8Array }

/** A `Ticket` of the boundary. */
export interface TicketRecord {
  readonly id: Uint8Array
  /** Whether the ticket says that it is an anypath peer's. */
  readonly anypath: boolean
  readonly addresses: readonly TicketAddressRecord[]
}

/** Reads a `Ticket` of the boundary. */
export function readTicket(reader: ByteReader, addresses: AddressCodec): TicketRecord {
  const id = reader.bytes(32)
  const anypath = (reader.u32() & 1) !== 0
  const found: TicketAddressRecord[] = []
  for (let count = reader.u16(); count > 0; count--) found.push(readTicketAddress(reader, addresses))
  return { id, anypath, addresses: found }
}

function readTicketAddress(reader: ByteReader, addresses: AddressCodec): TicketAddressRecord {
  const kind = reader.u8()
  switch (kind) {
    case 0:
      return { kind: 'relay', url: reader.text(reader.u16()) }
    case 1: {
      const { host, port } = addresses.decode(reader.view(ADDRESS_BYTES), 0)
      return { kind: 'ip', host, port }
    }
    case 2:
      return { kind: 'custom', transportId: reader.u64(), data: reader.bytes(reader.u16()) }
    case 3:
      return { kind: 'unknown', data: reader.bytes(reader.u16()) }
    default:
      throw createError('InternalError', `the core gave a ticket address of unknown kind ${kind}`)
  }
}

/**
 * Writes a `Ticket` of the boundary.
 *
 * @throws AnypathError `InvalidKey` when the id is not 32 bytes, `InvalidArgument` when an address can't be encoded.
 */
export function writeTicket(writer: ByteWriter, ticket: TicketRecord, addresses: AddressCodec): void {
  if (ticket.id.length !== 32) throw createError('InvalidKey', `the id has ${ticket.id.length} bytes, not 32`)
  if (ticket.addresses.length > 0xffff) throw createError('InvalidArgument', 'a ticket has at most 65535 addresses')
  writer
    .bytes(ticket.id)
    .u32(ticket.anypath ? 1 : 0)
    .u16(ticket.addresses.length)
  for (const address of ticket.addresses) writeTicketAddress(writer, address, addresses)
}

function writeTicketAddress(writer: ByteWriter, address: TicketAddressRecord, addresses: AddressCodec): void {
  switch (address.kind) {
    case 'relay':
      writer.u8(0).text16(address.url, "a relay's address")
      return
    case 'ip': {
      const bytes = addresses.encode(address.host, address.port)
      if (!bytes) throw createError('InvalidArgument', `${address.host} port ${address.port} is no IP address`)
      writer.u8(1).bytes(bytes)
      return
    }
    case 'custom':
      writer.u8(2).u64(address.transportId).bytes16(address.data, "a custom address's data")
      return
    case 'unknown':
      writer.u8(3).bytes16(address.data, "an unknown address's data")
  }
}
