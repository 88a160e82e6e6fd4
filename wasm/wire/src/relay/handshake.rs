//! The handshake: the relay challenges, the client signs, the relay confirms or denies.
//!
//! What is signed is not the challenge but 32 bytes derived from it by BLAKE3's `derive_key` with
//! [`CHALLENGE_CONTEXT`]: otherwise a malicious relay could have any 16 bytes signed that it likes.

use super::client::write_payload;
use super::{Body, DecodeError, EncodeError, MessageType};
use crate::id::{EndpointId, ID_LENGTH};
use crate::postcard::{Decoder, put_bytes, put_varint};

/// How many bytes a challenge has.
pub const CHALLENGE_LENGTH: usize = 16;
/// How many bytes an Ed25519 signature has [RFC 8032 § 5.1.6].
pub const SIGNATURE_LENGTH: usize = 64;
/// The context of BLAKE3's `derive_key`, whose key material is the challenge and whose output is
/// what the client signs.
pub const CHALLENGE_CONTEXT: &str = "iroh-relay handshake v1 challenge signature";
/// The label of the TLS exporter [RFC 8446 § 7.5] whose output a client signs for
/// [`CLIENT_AUTH_HEADER`](super::CLIENT_AUTH_HEADER); the context is the client's id.
pub const EXPORTER_LABEL: &str = "iroh-relay handshake v1";

/// A message from the relay before it has let the client in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHandshake<'a> {
    /// To be answered by a [`ClientAuth`]. Comes once at most.
    Challenge([u8; CHALLENGE_LENGTH]),
    /// The client is let in. The first message already when the request header was enough.
    Confirms,
    /// The client is not let in, and the relay closes the WebSocket.
    Denies {
        /// Why, for people.
        reason: &'a str,
    },
}

/// The client's answer to a challenge.
///
/// Neither the key nor the signature is checked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAuth {
    /// Who the client says it is.
    pub id: EndpointId,
    /// Its signature over what is derived from the challenge.
    pub signature: [u8; SIGNATURE_LENGTH],
}

impl<'a> ServerHandshake<'a> {
    /// Reads one binary WebSocket message from the relay.
    ///
    /// # Errors
    /// Every [`DecodeError`] but `NotInVersion`.
    pub fn decode(message: &'a [u8]) -> Result<Self, DecodeError> {
        let (kind, bytes) = MessageType::read(message)?;
        let body = Body { kind, bytes };
        match kind {
            MessageType::ServerChallenge => Ok(Self::Challenge(body.split()?.0)),
            MessageType::ServerConfirmsAuth => Ok(Self::Confirms),
            MessageType::ServerDeniesAuth => {
                let mut decoder = Decoder::new(bytes);
                let length = body.postcard(decoder.length())?;
                let reason = body.text(body.postcard(decoder.take(length))?)?;
                Ok(Self::Denies { reason })
            }
            _ => Err(DecodeError::UnexpectedType(kind)),
        }
    }

    /// Appends the message to `out`.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] for a reason of nearly [`MAX_BODY`](super::MAX_BODY) bytes.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Challenge(challenge) => {
                write_payload(MessageType::ServerChallenge, challenge, out)
            }
            Self::Confirms => write_payload(MessageType::ServerConfirmsAuth, &[], out),
            Self::Denies { reason } => {
                let mut prefix = Vec::new();
                put_varint(reason.len() as u64, &mut prefix);
                MessageType::ServerDeniesAuth.write(prefix.len() + reason.len(), out)?;
                out.extend_from_slice(&prefix);
                out.extend_from_slice(reason.as_bytes());
                Ok(())
            }
        }
    }
}

impl ClientAuth {
    /// Reads one binary WebSocket message from a client.
    ///
    /// # Errors
    /// Every [`DecodeError`] but `NotInVersion` and `Utf8`.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let (kind, bytes) = MessageType::read(message)?;
        if kind != MessageType::ClientAuth {
            return Err(DecodeError::UnexpectedType(kind));
        }
        let body = Body { kind, bytes };
        let (id, rest) = body.split::<ID_LENGTH>()?;
        let mut decoder = Decoder::new(rest);
        if body.postcard(decoder.length())? != SIGNATURE_LENGTH {
            return Err(body.wrong_length());
        }
        Ok(Self {
            id: EndpointId(id),
            signature: body.postcard(decoder.array())?,
        })
    }

    /// Appends the message to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(MessageType::ClientAuth as u8);
        out.extend_from_slice(self.id.as_bytes());
        put_bytes(&self.signature, out);
    }
}
