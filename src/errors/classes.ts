import { AnypathError, type AnypathErrorOptions } from './error.js'

/**
 * A defect of this library or a panic in its core; the message is what to report. Every connection of that peer has
 * failed.
 */
export class InternalError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('InternalError', message, options)
  }
}

/** A call was made with an argument that can never work; the message names the argument. */
export class InvalidArgumentError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('InvalidArgument', message, options)
  }
}

/** A peer was configured with a value that can never work; the message begins with the field's name. */
export class InvalidConfigError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('InvalidConfig', message, options)
  }
}

/** A ticket is malformed, truncated or of an unknown kind. */
export class InvalidTicketError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('InvalidTicket', message, options)
  }
}

/** A public or secret key is not 32 bytes (64 hexadecimal digits) or not a point on the curve. */
export class InvalidKeyError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('InvalidKey', message, options)
  }
}

/** A dial has nowhere to go: neither the ticket nor any discovery gave an address. */
export class NoAddressError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('NoAddress', message, options)
  }
}

/** A dial needs a relay (always so in a browser) and none is configured. */
export class NoRelayConfiguredError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('NoRelayConfigured', message, options)
  }
}

/** No relay of this peer can be reached; it goes on trying. */
export class RelayUnreachableError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('RelayUnreachable', message, options)
  }
}

/** The relay does not serve this peer: its token or key is not allowed there; the message is what the relay said. */
export class RelayDeniedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('RelayDenied', message, options)
  }
}

/** No address answered within the handshake timeout. */
export class UnreachableError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('Unreachable', message, options)
  }
}

/** Somebody answered, and proved another key than the one dialled. */
export class WrongKeyError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('WrongKey', message, options)
  }
}

/** The remote serves none of the application protocols that were offered (RFC 7301). */
export class AlpnNotServedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('AlpnNotServed', message, options)
  }
}

/** The remote refused the connection before the handshake, or its accept hook did after it. */
export class RefusedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('Refused', message, options)
  }
}

/** The TLS handshake failed for another reason than a wrong key or protocol (RFC 9001 section 4.8). */
export class HandshakeFailedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('HandshakeFailed', message, options)
  }
}

/** The remote speaks no version of QUIC that this peer speaks (RFC 9000 section 6). */
export class VersionMismatchError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('VersionMismatch', message, options)
  }
}

/** A configured limit on connections is reached, here or at the remote. */
export class TooManyConnectionsError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('TooManyConnections', message, options)
  }
}

/** The remote application closed the connection; `closeCode` and `reason` are what it gave. */
export class ClosedByPeerError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('ClosedByPeer', message, options)
  }
}

/** This side closed the connection, and the call came after it or was waiting then. */
export class ClosedLocallyError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('ClosedLocally', message, options)
  }
}

/** Nothing came from the remote for the idle timeout (RFC 9000 section 10.1). */
export class IdleTimeoutError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('IdleTimeout', message, options)
  }
}

/** The remote lost its state: it restarted and answered with a stateless reset (RFC 9000 section 10.3). */
export class PeerRestartedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('PeerRestarted', message, options)
  }
}

/** The remote broke a rule of QUIC or TLS; this side closed the connection. */
export class ProtocolViolationError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('ProtocolViolation', message, options)
  }
}

/** The remote's QUIC closed the connection with a transport error; `closeCode` is that error (RFC 9000 section 20.1). */
export class TransportClosedByPeerError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('TransportClosedByPeer', message, options)
  }
}

/** The remote abandoned its sending side; `streamErrorCode` is what it gave (RFC 9000 section 19.4). */
export class StreamResetError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('StreamReset', message, options)
  }
}

/** The remote wants no more of this stream; `streamErrorCode` is what it gave (RFC 9000 section 19.5). */
export class StreamStoppedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('StreamStopped', message, options)
  }
}

/** The stream was finished, reset or stopped on this side before the call. */
export class StreamClosedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('StreamClosed', message, options)
  }
}

/** The remote allows no more streams now, and the call did not want to wait. */
export class StreamLimitError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('StreamLimit', message, options)
  }
}

/** A datagram is larger than the path can carry; `datagrams.maxDatagramSize` says how much it can. */
export class DatagramTooLargeError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('DatagramTooLarge', message, options)
  }
}

/** The remote takes no datagrams (RFC 9221). */
export class DatagramsUnsupportedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('DatagramsUnsupported', message, options)
  }
}

/** The remote did not take the early data (0-RTT) that a stream began with: none of it arrived, so open the stream again after `ready`. */
export class EarlyDataRejectedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('EarlyDataRejected', message, options)
  }
}

/** A socket or carrier failed; `cause` is the platform's error. */
export class TransportFailedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('TransportFailed', message, options)
  }
}

/** The configured port is taken. */
export class AddressInUseError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('AddressInUse', message, options)
  }
}

/** The secret key is in use elsewhere: in another tab, or by another program that the relay serves. */
export class KeyInUseError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('KeyInUse', message, options)
  }
}

/** A signed address record (pkarr) is malformed, or its signature is not of the key that it names. */
export class InvalidRecordError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('InvalidRecord', message, options)
  }
}

/** The platform lets nothing be kept: storage is blocked, full or not there; `cause` is the platform's error where it gave one. */
export class StorageUnavailableError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('StorageUnavailable', message, options)
  }
}

/** The peer was closed, or the port to it. */
export class PeerClosedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('PeerClosed', message, options)
  }
}

/** The caller's `AbortSignal` fired; `cause` is its reason. */
export class AbortedError extends AnypathError {
  constructor(message: string, options?: AnypathErrorOptions) {
    super('Aborted', message, options)
  }
}
