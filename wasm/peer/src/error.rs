//! The error table that Rust and TypeScript share.

use noq_proto::{ConnectionError, TransportErrorCode, VarInt};

use crate::tls::WrongKey;

macro_rules! table {
    ($($(#[$doc:meta])* ($code:literal, $name:ident, $text:literal, $retryable:literal),)*) => {
        /// What went wrong, by number. The numbers cross the boundary and never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorCode { $($(#[$doc])* $name = $code,)* }

        /// Every code with its name and whether trying again may help.
        pub const TABLE: &[(ErrorCode, &str, bool)] = &[
            $((ErrorCode::$name, $text, $retryable),)*
        ];
    };
}

table! {
    /// A fault of this library.
    (1, InternalError, "InternalError", false),
    /// An argument that can't be used.
    (2, InvalidArgument, "InvalidArgument", false),
    /// A configuration that can't be used.
    (3, InvalidConfig, "InvalidConfig", false),
    /// A text that is not a ticket.
    (4, InvalidTicket, "InvalidTicket", false),
    /// A text or bytes that are not a key.
    (5, InvalidKey, "InvalidKey", false),
    /// Nothing in the ticket can be dialled from here.
    (6, NoAddress, "NoAddress", false),
    /// The way to the peer needs a relay and none is configured.
    (7, NoRelayConfigured, "NoRelayConfigured", false),
    /// No relay of this peer can be reached.
    (8, RelayUnreachable, "RelayUnreachable", true),
    /// The relay does not serve this peer.
    (9, RelayDenied, "RelayDenied", false),
    /// Nobody answered in time.
    (10, Unreachable, "Unreachable", true),
    /// Somebody else answered at the address.
    (11, WrongKey, "WrongKey", false),
    /// The peer does not serve the application's protocol.
    (12, AlpnNotServed, "AlpnNotServed", false),
    /// The peer refused the connection.
    (13, Refused, "Refused", true),
    /// The TLS handshake failed.
    (14, HandshakeFailed, "HandshakeFailed", false),
    /// No common version of QUIC.
    (15, VersionMismatch, "VersionMismatch", false),
    /// A limit of this peer is reached.
    (16, TooManyConnections, "TooManyConnections", true),
    /// The remote application closed the connection.
    (20, ClosedByPeer, "ClosedByPeer", true),
    /// This application closed the connection.
    (21, ClosedLocally, "ClosedLocally", false),
    /// The remote was silent for the whole idle timeout.
    (22, IdleTimeout, "IdleTimeout", true),
    /// The remote has lost the connection's state (a stateless reset).
    (23, PeerRestarted, "PeerRestarted", true),
    /// The remote broke the rules of QUIC.
    (24, ProtocolViolation, "ProtocolViolation", false),
    /// The remote's QUIC implementation closed the connection.
    (25, TransportClosedByPeer, "TransportClosedByPeer", true),
    /// The remote reset the stream.
    (30, StreamReset, "StreamReset", false),
    /// The remote stopped the stream.
    (31, StreamStopped, "StreamStopped", false),
    /// The stream is closed or was never open.
    (32, StreamClosed, "StreamClosed", false),
    /// The remote allows no more streams now.
    (33, StreamLimit, "StreamLimit", true),
    /// A datagram that no packet of this path can hold.
    (34, DatagramTooLarge, "DatagramTooLarge", false),
    /// The remote takes no datagrams.
    (35, DatagramsUnsupported, "DatagramsUnsupported", false),
    /// The server did not take the early data; what was sent in it did not arrive.
    (36, EarlyDataRejected, "EarlyDataRejected", true),
    /// A socket failed.
    (40, TransportFailed, "TransportFailed", true),
    /// The address to listen on is taken.
    (41, AddressInUse, "AddressInUse", false),
    /// Another tab or process uses the key.
    (42, KeyInUse, "KeyInUse", false),
    /// A signed address record that is malformed or not signed by its key.
    (43, InvalidRecord, "InvalidRecord", false),
    /// The platform lets nothing be kept.
    (44, StorageUnavailable, "StorageUnavailable", false),
    /// The peer object is closed.
    (50, PeerClosed, "PeerClosed", false),
    /// The caller gave up.
    (51, Aborted, "Aborted", false),
}

impl ErrorCode {
    /// The number that crosses the boundary.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ClosedBy {
    /// This side's application, or a limit of this side.
    Local = 0,
    /// The other side, by a close frame.
    Remote = 1,
    /// Neither: time or a broken rule.
    Transport = 2,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// The row of the error table.
    pub code: ErrorCode,
    /// Who ended it.
    pub by: ClosedBy,
    /// The application's code for `ClosedByPeer` and `ClosedLocally`, else QUIC's ([RFC 9000 § 20.1]).
    ///
    /// [RFC 9000 § 20.1]: https://www.rfc-editor.org/rfc/rfc9000#section-20.1
    pub wire_code: u64,
    /// For people.
    pub reason: String,
}

impl CloseReason {
    pub(crate) fn local(code: ErrorCode, wire_code: u64, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            code,
            by: ClosedBy::Local,
            wire_code,
            reason,
        }
    }

    pub(crate) fn transport(code: ErrorCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            by: ClosedBy::Transport,
            wire_code: 0,
            reason: reason.into(),
        }
    }

    /// What `error` means to the application; `connected` tells whether the handshake had finished.
    pub(crate) fn of(error: &ConnectionError, connected: bool) -> Self {
        if let Some(wrong) = WrongKey::in_error(error) {
            return Self::transport(ErrorCode::WrongKey, wrong.to_string());
        }
        let (code, by, wire_code) = match error {
            ConnectionError::VersionMismatch => {
                (ErrorCode::VersionMismatch, ClosedBy::Transport, 0)
            }
            ConnectionError::TransportError(error) => {
                let number = u64::from(VarInt::from(error.code));
                (of_violation(error.code), ClosedBy::Transport, number)
            }
            ConnectionError::ConnectionClosed(close) => {
                let number = u64::from(VarInt::from(close.error_code));
                let code = of_transport_close(close.error_code);
                let reason = String::from_utf8_lossy(&close.reason).into_owned();
                let reason = if reason.is_empty() {
                    error.to_string()
                } else {
                    reason
                };
                return Self {
                    code,
                    by: ClosedBy::Remote,
                    wire_code: number,
                    reason,
                };
            }
            ConnectionError::ApplicationClosed(close) => {
                return Self {
                    code: ErrorCode::ClosedByPeer,
                    by: ClosedBy::Remote,
                    wire_code: close.error_code.into_inner(),
                    reason: String::from_utf8_lossy(&close.reason).into_owned(),
                };
            }
            ConnectionError::Reset => (ErrorCode::PeerRestarted, ClosedBy::Remote, 0),
            ConnectionError::TimedOut if connected => {
                (ErrorCode::IdleTimeout, ClosedBy::Transport, 0)
            }
            ConnectionError::TimedOut => (ErrorCode::Unreachable, ClosedBy::Transport, 0),
            ConnectionError::LocallyClosed => (ErrorCode::ClosedLocally, ClosedBy::Local, 0),
            ConnectionError::CidsExhausted => (ErrorCode::InternalError, ClosedBy::Local, 0),
        };
        Self {
            code,
            by,
            wire_code,
            reason: error.to_string(),
        }
    }
}

/// A rule that this side saw broken.
fn of_violation(code: TransportErrorCode) -> ErrorCode {
    if alert(code).is_some() {
        ErrorCode::HandshakeFailed
    } else {
        ErrorCode::ProtocolViolation
    }
}

/// A close frame of the other side's QUIC.
fn of_transport_close(code: TransportErrorCode) -> ErrorCode {
    const NO_APPLICATION_PROTOCOL: u8 = 120;
    match alert(code) {
        Some(NO_APPLICATION_PROTOCOL) => ErrorCode::AlpnNotServed,
        Some(_) => ErrorCode::HandshakeFailed,
        None if code == TransportErrorCode::CONNECTION_REFUSED => ErrorCode::Refused,
        None => ErrorCode::TransportClosedByPeer,
    }
}

/// The TLS alert in a CRYPTO_ERROR ([RFC 9001 § 4.8]).
///
/// [RFC 9001 § 4.8]: https://www.rfc-editor.org/rfc/rfc9001#section-4.8
fn alert(code: TransportErrorCode) -> Option<u8> {
    let number = u64::from(VarInt::from(code));
    (0x100..0x200)
        .contains(&number)
        .then_some((number & 0xff) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_row_and_its_own_name() {
        for (index, (code, name, _)) in TABLE.iter().enumerate() {
            assert_eq!(*name, format!("{code:?}"));
            let later = &TABLE[index + 1..];
            assert!(
                later
                    .iter()
                    .all(|(other, ..)| other.number() > code.number())
            );
        }
    }

    #[test]
    fn the_alert_for_an_unserved_alpn_is_told_from_other_alerts() {
        let code = |number| of_transport_close(TransportErrorCode::crypto(number));
        assert_eq!(code(120), ErrorCode::AlpnNotServed);
        assert_eq!(code(40), ErrorCode::HandshakeFailed);
    }
}
