/**
 * Tickets of `anypath send`: where the files are, and the secret without which none is served.
 *
 * The text is `anypath` and base32 of: version (1 byte, 1), secret (32 bytes), and the bytes of an endpoint ticket up to
 * the end.
 */
import { Base32Error, decodeBase32, encodeBase32 } from '../base32.js'
import { CliError, ExitCode } from '../exit.js'

export const transferPrefix = 'anypath'
const endpointPrefix = 'endpoint'
const version = 1
/** How many bytes the secret has. */
export const secretBytes = 32
const maxEndpointBytes = 8192
const maxTransferText = transferPrefix.length + Math.ceil(((1 + secretBytes + maxEndpointBytes) * 8) / 5)

export interface TransferTicket {
  /** What the receiver must show to be served. */
  readonly secret: Uint8Array
  /** The sender's endpoint ticket as text. */
  readonly endpoint: string
}

const invalid = (message: string, cause?: unknown): CliError =>
  new CliError(ExitCode.badTicket, 'InvalidTicket', message, cause === undefined ? undefined : { cause })

const decode = (text: string, what: string): Uint8Array => {
  try {
    return decodeBase32(text)
  } catch (error) {
    if (!(error instanceof Base32Error)) throw error
    throw invalid(`the ${what} is not base32: ${error.message}; was it cut off while copying?`, error)
  }
}

/** Writes a transfer ticket as text. */
export const formatTransferTicket = ({ secret, endpoint }: TransferTicket): string => {
  if (secret.length !== secretBytes) throw new RangeError(`a secret has ${secretBytes} bytes`)
  if (!endpoint.startsWith(endpointPrefix)) throw new RangeError('not an endpoint ticket')
  const endpointBytes = decodeBase32(endpoint.slice(endpointPrefix.length))
  const bytes = new Uint8Array(1 + secretBytes + endpointBytes.length)
  bytes[0] = version
  bytes.set(secret, 1)
  bytes.set(endpointBytes, 1 + secretBytes)
  return transferPrefix + encodeBase32(bytes)
}

/**
 * Reads a transfer ticket. The endpoint ticket inside is not looked into: dialling it does that.
 *
 * @throws {CliError} with exit code 6 when it is not one, with the reason.
 */
export const parseTransferTicket = (text: string): TransferTicket => {
  if (!text.startsWith(transferPrefix)) {
    const hint = text.startsWith(endpointPrefix)
      ? '; this is an endpoint ticket, of "anypath listen" or another program'
      : ''
    throw invalid(`a transfer ticket begins with "${transferPrefix}"${hint}`)
  }
  if (text.length > maxTransferText) throw invalid(`a transfer ticket of ${text.length} characters is too long`)
  const bytes = decode(text.slice(transferPrefix.length), 'transfer ticket')
  if (bytes.length === 0) throw invalid('the transfer ticket is truncated')
  if (bytes[0] !== version) throw invalid(`transfer ticket version ${bytes[0]} is not known; is this anypath too old?`)
  if (bytes.length <= 1 + secretBytes) throw invalid('the transfer ticket is truncated')
  return {
    secret: bytes.slice(1, 1 + secretBytes),
    endpoint: endpointPrefix + encodeBase32(bytes.subarray(1 + secretBytes)),
  }
}

/** The endpoint ticket of either kind of ticket: what a command that needs no secret dials. */
export const endpointOf = (text: string): string =>
  text.startsWith(transferPrefix) ? parseTransferTicket(text).endpoint : text
