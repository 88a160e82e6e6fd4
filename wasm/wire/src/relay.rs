//! The relay protocol of iroh 1.x: binary WebSocket messages between a client and a relay.
//!
//! A client opens a WebSocket at [`RELAY_PATH`] and offers the subprotocols of [`Version`]. Each
//! binary message is a type, a QUIC integer, and a body:
//!
//! ```text
//! type  from    body
//!  0    relay   challenge(16 bytes)                        ServerChallenge
//!  1    client  id(32) length(64, postcard) signature(64)  ClientAuth
//!  2    relay   nothing                                    ServerConfirmsAuth
//!  3    relay   length(postcard) reason(UTF-8)             ServerDeniesAuth
//!  4    client  id(32) ecn(1) packet                       one datagram for `id`
//!  5    client  id(32) ecn(1) segment size(2) packets      several of one size; the last may be shorter
//!  6, 7 relay   as 4 and 5                                 datagrams from `id`
//!  8    relay   id(32)                                     `id`, which had sent something, is gone
//!  9    both    payload(8)                                 ping
//! 10    both    payload(8)                                 pong, which echoes the ping's payload
//! 11    relay   problem(UTF-8)                             health; version 1 only
//! 12    relay   reconnect in(4) try for(4), milliseconds   the relay restarts
//! 13    relay   status(1)                                  status; version 2 only
//! ```
//!
//! Numbers outside of postcard have their most significant byte first. The handshake is types 0 to 3
//! ([`handshake`]); only after it do the others flow ([`ClientMessage`], [`RelayMessage`]).
//!
//! What was read borrows from the message. Reading is as tolerant as iroh's: types may be encoded
//! in more bytes than they need, the upper six bits of the ECN byte are ignored, a batch with segment
//! size 0 is one datagram, and bytes behind a handshake body or a status are left for the future.
//! Whatever is written is in the one canonical form.

use std::fmt;

use thiserror::Error;

use crate::id::EndpointId;
use crate::postcard::PostcardError;
use crate::varint::{read_varint, write_varint};

mod client;
mod datagrams;
pub mod handshake;
mod server;

pub use client::ClientMessage;
pub use datagrams::{Datagrams, Ecn, MAX_CONTENTS, Packets};
pub use server::{RelayMessage, Status};

/// The HTTP path of a relay's WebSocket.
pub const RELAY_PATH: &str = "/relay";
/// The HTTP path that a relay answers for measurements of latency.
pub const PROBE_PATH: &str = "/ping";
/// The request header in which a native client may authenticate itself without a challenge, by a
/// signature over keying material exported from TLS. A relay may ignore it and send a challenge.
pub const CLIENT_AUTH_HEADER: &str = "x-iroh-relay-client-auth-v1";
/// The query parameter that carries an authorization token where headers can't be set: in browsers.
pub const TOKEN_PARAMETER: &str = "token";
/// How many bytes may follow the type of a message.
pub const MAX_BODY: usize = 65_536;
/// How many bytes a ping carries.
pub const PING_LENGTH: usize = 8;

/// A version of the protocol, older ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Tells of problems by `Health`.
    V1,
    /// Tells of problems by `Status`.
    V2,
}

/// What a message says, as the number before its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// The relay's challenge.
    ServerChallenge = 0,
    /// The client's answer.
    ClientAuth = 1,
    /// The relay lets the client in.
    ServerConfirmsAuth = 2,
    /// The relay does not.
    ServerDeniesAuth = 3,
    /// One datagram, to be relayed.
    ClientDatagram = 4,
    /// Several datagrams, to be relayed.
    ClientDatagrams = 5,
    /// One datagram, relayed.
    RelayDatagram = 6,
    /// Several datagrams, relayed.
    RelayDatagrams = 7,
    /// A remote that had sent something has left the relay.
    EndpointGone = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
    /// A problem of the connection to the relay, as text.
    Health = 11,
    /// The relay is about to restart.
    Restarting = 12,
    /// The state of the connection to the relay.
    Status = 13,
}

/// Who is to blame for a message that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its sender broke the protocol; the connection to it is best closed.
    Misbehaved,
    /// Its sender speaks a protocol that is newer than this code; the message is best ignored.
    Incompatible,
}

/// Why a message can't be read; [`DecodeError::fault`] says what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The message ends within its type.
    #[error("the relay message ends within its type")]
    NoType,
    /// A type that is not known.
    #[error("relay message type {0} is not known")]
    UnknownType(u64),
    /// A type that does not belong at this place: from this side, or at this stage.
    #[error("a {0} message does not belong here")]
    UnexpectedType(MessageType),
    /// A type that the version in use does not have.
    #[error("a {kind} message is not part of {version}")]
    NotInVersion {
        /// The type.
        kind: MessageType,
        /// The version in use.
        version: Version,
    },
    /// More than [`MAX_BODY`] bytes after the type.
    #[error("a relay message with a body of {length} bytes is too large")]
    TooLarge {
        /// The length of the body.
        length: usize,
    },
    /// The body has not the length that its type requires.
    #[error("{length} bytes are not the body of a {kind} message")]
    Length {
        /// The type.
        kind: MessageType,
        /// The length of the body.
        length: usize,
    },
    /// A text that is not UTF-8.
    #[error("the text of a {0} message is not UTF-8")]
    Utf8(MessageType),
}

/// Why a message can't be written: the fault is the caller's. Nothing is written then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The body would have more than [`MAX_BODY`] bytes.
    #[error("a relay message with a body of {length} bytes would be too large")]
    TooLarge {
        /// The length of the body.
        length: usize,
    },
    /// The version in use does not have that type.
    #[error("a {kind} message is not part of {version}")]
    NotInVersion {
        /// The type.
        kind: MessageType,
        /// The version in use.
        version: Version,
    },
}

impl Version {
    /// Every version, in the order in which a client offers them: the newest first.
    pub const ALL: [Self; 2] = [Self::V2, Self::V1];

    /// The name of the WebSocket subprotocol [RFC 6455 § 1.9].
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V1 => "iroh-relay-v1",
            Self::V2 => "iroh-relay-v2",
        }
    }

    /// The version with that subprotocol; `None` when it is not known.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.subprotocol() == name)
    }

    /// The newest version among those that a client offers in `Sec-WebSocket-Protocol`, names
    /// separated by commas; `None` when none is known.
    pub fn choose(offered: &str) -> Option<Self> {
        offered
            .split(',')
            .filter_map(|name| Self::from_subprotocol(name.trim()))
            .max()
    }
}

impl MessageType {
    /// Every type, in the order of the numbers.
    pub const ALL: [Self; 14] = [
        Self::ServerChallenge,
        Self::ClientAuth,
        Self::ServerConfirmsAuth,
        Self::ServerDeniesAuth,
        Self::ClientDatagram,
        Self::ClientDatagrams,
        Self::RelayDatagram,
        Self::RelayDatagrams,
        Self::EndpointGone,
        Self::Ping,
        Self::Pong,
        Self::Health,
        Self::Restarting,
        Self::Status,
    ];

    /// The type at the start of a message, and the body.
    ///
    /// # Errors
    /// [`DecodeError::NoType`], [`DecodeError::UnknownType`], [`DecodeError::TooLarge`].
    pub fn read(message: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (number, body) = read_varint(message).ok_or(DecodeError::NoType)?;
        let kind = usize::try_from(number)
            .ok()
            .and_then(|number| Self::ALL.get(number))
            .ok_or(DecodeError::UnknownType(number))?;
        match body.len() {
            0..=MAX_BODY => Ok((*kind, body)),
            length => Err(DecodeError::TooLarge { length }),
        }
    }

    /// Writes the type in front of a body of `length` bytes.
    fn write(self, length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if length > MAX_BODY {
            return Err(EncodeError::TooLarge { length });
        }
        out.reserve(1 + length);
        write_varint(u64::from(self as u8), out);
        Ok(())
    }

    /// Whether `version` has this type.
    pub const fn is_in(self, version: Version) -> bool {
        match self {
            Self::Health => matches!(version, Version::V1),
            Self::Status => matches!(version, Version::V2),
            _ => true,
        }
    }
}

impl DecodeError {
    /// Who is to blame.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::UnknownType(_) => Fault::Incompatible,
            Self::NoType
            | Self::UnexpectedType(_)
            | Self::NotInVersion { .. }
            | Self::TooLarge { .. }
            | Self::Length { .. }
            | Self::Utf8(_) => Fault::Misbehaved,
        }
    }
}

impl fmt::Display for Version {
    /// The name of the subprotocol.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.subprotocol())
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A body of one type, which is read from the front.
#[derive(Clone, Copy)]
struct Body<'a> {
    kind: MessageType,
    bytes: &'a [u8],
}

impl<'a> Body<'a> {
    const fn wrong_length(self) -> DecodeError {
        DecodeError::Length {
            kind: self.kind,
            length: self.bytes.len(),
        }
    }

    /// The first `N` bytes, and the rest.
    fn split<const N: usize>(self) -> Result<([u8; N], &'a [u8]), DecodeError> {
        let (head, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or_else(|| self.wrong_length())?;
        Ok((*head, rest))
    }

    /// The whole body, which has `N` bytes.
    fn array<const N: usize>(self) -> Result<[u8; N], DecodeError> {
        self.bytes.try_into().map_err(|_| self.wrong_length())
    }

    fn id(self) -> Result<EndpointId, DecodeError> {
        self.array().map(EndpointId)
    }

    fn text(self, bytes: &'a [u8]) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8(self.kind))
    }

    /// What postcard says of a body is always that its length is wrong.
    fn postcard<T>(self, read: Result<T, PostcardError>) -> Result<T, DecodeError> {
        read.map_err(|_| self.wrong_length())
    }
}

#[cfg(test)]
mod tests;
