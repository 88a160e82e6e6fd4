//! What a relay sends to a client that it has let in.

use super::client::write_payload;
use super::{Body, Datagrams, DecodeError, EncodeError, MessageType, PING_LENGTH, Version};
use crate::id::{EndpointId, ID_LENGTH};

/// A message from a relay to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayMessage<'a> {
    /// Relayed datagrams.
    Datagrams {
        /// From whom.
        source: EndpointId,
        /// What.
        datagrams: Datagrams<'a>,
    },
    /// A remote that had sent something over this relay is connected to it no more.
    EndpointGone(EndpointId),
    /// To be answered by a pong with the same payload.
    Ping([u8; PING_LENGTH]),
    /// The answer to the client's ping.
    Pong([u8; PING_LENGTH]),
    /// What is wrong with the connection, for people; empty when nothing is. Version 1 only.
    Health {
        /// The problem.
        problem: &'a str,
    },
    /// How the connection is. Version 2 only.
    Status(Status),
    /// The relay is about to restart.
    Restarting {
        /// How long to wait before reconnecting: it differs from client to client.
        reconnect_in_ms: u32,
        /// How long to try before the relay counts as unreachable.
        try_for_ms: u32,
    },
}

/// How the connection to a relay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Healthy again.
    Healthy,
    /// Another connection with the same endpoint id took this one's place; nothing more is relayed
    /// to this one.
    SameEndpointConnected,
    /// The relay reads more slowly than this client sends. Sent once.
    RateLimited,
    /// A status that is not known.
    Other(u8),
}

impl<'a> RelayMessage<'a> {
    /// Reads one binary WebSocket message of a connection that speaks `version`.
    ///
    /// # Errors
    /// Every [`DecodeError`].
    pub fn decode(version: Version, message: &'a [u8]) -> Result<Self, DecodeError> {
        let (kind, bytes) = MessageType::read(message)?;
        if !kind.is_in(version) {
            return Err(DecodeError::NotInVersion { kind, version });
        }
        let body = Body { kind, bytes };
        match kind {
            MessageType::RelayDatagram | MessageType::RelayDatagrams => {
                let is_batch = kind == MessageType::RelayDatagrams;
                let (source, datagrams) = Datagrams::read(body, is_batch)?;
                Ok(Self::Datagrams { source, datagrams })
            }
            MessageType::EndpointGone => body.id().map(Self::EndpointGone),
            MessageType::Ping => body.array().map(Self::Ping),
            MessageType::Pong => body.array().map(Self::Pong),
            MessageType::Health => body.text(bytes).map(|problem| Self::Health { problem }),
            MessageType::Status => {
                let ([status], _) = body.split()?;
                Ok(Self::Status(Status::from_byte(status)))
            }
            MessageType::Restarting => {
                let [a, b, c, d, e, f, g, h] = body.array()?;
                Ok(Self::Restarting {
                    reconnect_in_ms: u32::from_be_bytes([a, b, c, d]),
                    try_for_ms: u32::from_be_bytes([e, f, g, h]),
                })
            }
            _ => Err(DecodeError::UnexpectedType(kind)),
        }
    }

    /// Appends the message to `out`, for a connection that speaks `version`.
    ///
    /// # Errors
    /// [`EncodeError::NotInVersion`] for `Health` in version 2 and `Status` in version 1.
    /// [`EncodeError::TooLarge`]; never for contents of at most [`MAX_CONTENTS`](super::MAX_CONTENTS).
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let kind = self.kind();
        if !kind.is_in(version) {
            return Err(EncodeError::NotInVersion { kind, version });
        }
        match self {
            Self::Datagrams { source, datagrams } => {
                let kinds = [MessageType::RelayDatagram, MessageType::RelayDatagrams];
                datagrams.write(kinds, source, out)
            }
            Self::EndpointGone(id) => write_payload(kind, id.as_bytes(), out),
            Self::Ping(payload) | Self::Pong(payload) => write_payload(kind, payload, out),
            Self::Health { problem } => write_payload(kind, problem.as_bytes(), out),
            Self::Status(status) => write_payload(kind, &[status.to_byte()], out),
            Self::Restarting {
                reconnect_in_ms,
                try_for_ms,
            } => {
                kind.write(8, out)?;
                out.extend_from_slice(&reconnect_in_ms.to_be_bytes());
                out.extend_from_slice(&try_for_ms.to_be_bytes());
                Ok(())
            }
        }
    }

    /// How many bytes [`RelayMessage::encode`] appends.
    pub const fn encoded_len(&self) -> usize {
        match self {
            Self::Datagrams { datagrams, .. } => datagrams.message_len(),
            Self::EndpointGone(_) => 1 + ID_LENGTH,
            Self::Ping(_) | Self::Pong(_) => 1 + PING_LENGTH,
            Self::Health { problem } => 1 + problem.len(),
            Self::Status(_) => 2,
            Self::Restarting { .. } => 9,
        }
    }

    /// The type of the message.
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Datagrams { datagrams, .. } => match datagrams.segment_size {
                Some(_) => MessageType::RelayDatagrams,
                None => MessageType::RelayDatagram,
            },
            Self::EndpointGone(_) => MessageType::EndpointGone,
            Self::Ping(_) => MessageType::Ping,
            Self::Pong(_) => MessageType::Pong,
            Self::Health { .. } => MessageType::Health,
            Self::Status(_) => MessageType::Status,
            Self::Restarting { .. } => MessageType::Restarting,
        }
    }
}

impl Status {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Healthy,
            1 => Self::SameEndpointConnected,
            2 => Self::RateLimited,
            other => Self::Other(other),
        }
    }

    const fn to_byte(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::SameEndpointConnected => 1,
            Self::RateLimited => 2,
            Self::Other(other) => other,
        }
    }
}
