/** Binding requests and their answers (RFC 8489), with what RFC 5780 adds to find out how a NAT behaves. */
import type { DiagnosedAddress } from './report.js'

const MAGIC_COOKIE = 0x2112a442
const HEADER_BYTES = 20
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const BINDING_ERROR = 0x0111
const MAPPED_ADDRESS = 0x0001
const CHANGE_REQUEST = 0x0003
const XOR_MAPPED_ADDRESS = 0x0020
const RESPONSE_PORT = 0x0027
const OTHER_ADDRESS = 0x802c
const IPV4 = 1
const IPV6 = 2

/** The bits of CHANGE-REQUEST (RFC 5780 section 7.2). */
export const CHANGE_ADDRESS = 4
export const CHANGE_PORT = 2

export const TRANSACTION_BYTES = 12

/** An answer to a Binding request. */
export interface StunAnswer {
  /** 24 hexadecimal digits. */
  readonly transaction: string
  /** Absent in an error, and where the server tells none. */
  readonly mapped: DiagnosedAddress | undefined
  readonly other: DiagnosedAddress | undefined
}

/** What is asked of a server beside the sender's address (RFC 5780 sections 7.2 and 7.5). */
export interface BindingOptions {
  /** Which parts of its address the server should answer from others of. @default none */
  readonly change?: number
  /** The port of the sender that the answer is wanted at. @default the request's own */
  readonly responsePort?: number
}

export function bindingRequest(
  transaction: Uint8Array,
  { change = 0, responsePort = 0 }: BindingOptions = {},
): Uint8Array<ArrayBuffer> {
  const attributes: readonly (readonly [kind: number, value: number])[] = [
    ...(change === 0 ? [] : [[CHANGE_REQUEST, change] as const]),
    ...(responsePort === 0 ? [] : [[RESPONSE_PORT, responsePort * 0x1_0000] as const]),
  ]
  const bytes = new Uint8Array(HEADER_BYTES + 8 * attributes.length)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, BINDING_REQUEST)
  view.setUint16(2, bytes.length - HEADER_BYTES)
  view.setUint32(4, MAGIC_COOKIE)
  bytes.set(transaction, 8)
  for (const [i, [kind, value]] of attributes.entries()) {
    view.setUint16(HEADER_BYTES + 8 * i, kind)
    view.setUint16(HEADER_BYTES + 8 * i + 2, 4)
    view.setUint32(HEADER_BYTES + 8 * i + 4, value)
  }
  return bytes
}

/** Reads the answer to a Binding request; `undefined` for everything else and for what is malformed. */
export function readAnswer(bytes: Uint8Array): StunAnswer | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < HEADER_BYTES || view.getUint32(4) !== MAGIC_COOKIE) return undefined
  const type = view.getUint16(0)
  if (type !== BINDING_SUCCESS && type !== BINDING_ERROR) return undefined
  if (view.getUint16(2) !== bytes.length - HEADER_BYTES || bytes.length % 4 !== 0) return undefined
  const found = new Map<number, DiagnosedAddress | undefined>()
  for (let at = HEADER_BYTES; at < bytes.length; ) {
    const kind = view.getUint16(at)
    const length = view.getUint16(at + 2)
    const end = at + 4 + length
    if (end > bytes.length) return undefined
    const isAddress = kind === MAPPED_ADDRESS || kind === XOR_MAPPED_ADDRESS || kind === OTHER_ADDRESS
    // Of attributes that come twice the first counts (RFC 8489 section 14).
    if (isAddress && !found.has(kind)) {
      const address = readAddress(bytes.subarray(at + 4, end), kind === XOR_MAPPED_ADDRESS ? bytes : undefined)
      if (address === undefined) return undefined
      found.set(kind, address)
    }
    at = end + ((4 - (length % 4)) % 4)
  }
  const mapped = type === BINDING_ERROR ? undefined : (found.get(XOR_MAPPED_ADDRESS) ?? found.get(MAPPED_ADDRESS))
  return { transaction: transactionOf(bytes), mapped, other: found.get(OTHER_ADDRESS) }
}

/** The transaction id of a message, 24 hexadecimal digits. */
export function transactionOf(message: Uint8Array): string {
  return Array.from(message.subarray(8, HEADER_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** @param message whose cookie and transaction id the address is combined with, if it is (RFC 8489 section 14.2). */
function readAddress(value: Uint8Array, message: Uint8Array | undefined): DiagnosedAddress | undefined {
  const family = value[1]
  if (family !== IPV4 && family !== IPV6) return undefined
  if (value.length !== (family === IPV4 ? 8 : 20)) return undefined
  // A copy even of a `Buffer`, whose `slice` is none.
  const plain = Uint8Array.from(value.subarray(2))
  if (message !== undefined) {
    for (let i = 0; i < plain.length; i++) plain[i] = (plain[i] ?? 0) ^ (message[i < 2 ? 4 + i : 2 + i] ?? 0)
  }
  const view = new DataView(plain.buffer)
  const port = view.getUint16(0)
  if (family === IPV4) return { host: plain.subarray(2).join('.'), port }
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(2 + 2 * i).toString(16))
  // The shortest form, as other parts of this library write addresses.
  return { host: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1), port }
}
