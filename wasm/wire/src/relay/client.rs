//! What a client sends once the relay has let it in.

use super::{Body, Datagrams, DecodeError, EncodeError, MessageType, PING_LENGTH};
use crate::id::EndpointId;

/// A message from a client to its relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// Datagrams to be relayed.
    Datagrams {
        /// For whom.
        destination: EndpointId,
        /// What.
        datagrams: Datagrams<'a>,
    },
    /// To be answered by a pong with the same payload.
    Ping([u8; PING_LENGTH]),
    /// The answer to the relay's ping.
    Pong([u8; PING_LENGTH]),
}

impl<'a> ClientMessage<'a> {
    /// Reads one binary WebSocket message. Both versions are alike.
    ///
    /// # Errors
    /// Every [`DecodeError`] but `NotInVersion` and `Utf8`.
    pub fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {
        let (kind, bytes) = MessageType::read(message)?;
        let body = Body { kind, bytes };
        match kind {
            MessageType::ClientDatagram | MessageType::ClientDatagrams => {
                let is_batch = kind == MessageType::ClientDatagrams;
                let (destination, datagrams) = Datagrams::read(body, is_batch)?;
                Ok(Self::Datagrams {
                    destination,
                    datagrams,
                })
            }
            MessageType::Ping => body.array().map(Self::Ping),
            MessageType::Pong => body.array().map(Self::Pong),
            _ => Err(DecodeError::UnexpectedType(kind)),
        }
    }

    /// Appends the message to `out`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`]; never for contents of at most [`MAX_CONTENTS`](super::MAX_CONTENTS).
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Datagrams {
                destination,
                datagrams,
            } => {
                let kinds = [MessageType::ClientDatagram, MessageType::ClientDatagrams];
                datagrams.write(kinds, destination, out)
            }
            Self::Ping(payload) => write_payload(MessageType::Ping, payload, out),
            Self::Pong(payload) => write_payload(MessageType::Pong, payload, out),
        }
    }

    /// How many bytes [`ClientMessage::encode`] appends.
    pub const fn encoded_len(&self) -> usize {
        match self {
            Self::Datagrams { datagrams, .. } => datagrams.message_len(),
            Self::Ping(_) | Self::Pong(_) => 1 + PING_LENGTH,
        }
    }
}

/// Writes a message whose body is `payload`.
pub(super) fn write_payload(
    kind: MessageType,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    kind.write(payload.len(), out)?;
    out.extend_from_slice(payload);
    Ok(())
}
