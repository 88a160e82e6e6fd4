//! Signed packets of pkarr: a DNS message that the holder of a key has signed, found by that key.
//!
//! ```text
//! packet  = id(32 bytes) payload
//! payload = signature(64 bytes) timestamp(8 bytes, most significant first) dns(at most 1,000 bytes)
//! ```
//!
//! The timestamp is in microseconds since the Unix epoch; of two packets the newer one counts. What
//! HTTP relays take and give at `…/pkarr/<z-base-32 id>` is the payload. The signature is Ed25519
//! over the form that BEP 44 gives a mutable item without salt ([`signed_bytes`]); it is neither made
//! nor checked here.

use thiserror::Error;

use crate::id::{EndpointId, ID_LENGTH};

/// How many bytes an Ed25519 signature has [RFC 8032 § 5.1.6].
pub const SIGNATURE_LENGTH: usize = 64;
/// The most bytes that the DNS message may have: the limit of BEP 44 for a value.
pub const MAX_DNS: usize = 1000;
/// The most bytes that a payload may have.
pub const MAX_PAYLOAD: usize = SIGNATURE_LENGTH + TIMESTAMP_LENGTH + MAX_DNS;
/// The most bytes that a packet may have.
pub const MAX_PACKET: usize = ID_LENGTH + MAX_PAYLOAD;

const TIMESTAMP_LENGTH: usize = 8;

/// A signed packet as it was read; whether its signature is right is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedPacket<'a> {
    /// Who is said to have signed it.
    pub id: EndpointId,
    /// The signature over [`SignedPacket::signed_bytes`].
    pub signature: [u8; SIGNATURE_LENGTH],
    /// When it was made, in microseconds since the Unix epoch.
    pub timestamp: u64,
    /// The DNS message.
    pub dns: &'a [u8],
}

/// Why bytes are not a signed packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// The bytes end before the DNS message does begin.
    #[error("{length} bytes are too few for a signed packet")]
    Truncated {
        /// How many there are.
        length: usize,
    },
    /// A DNS message of more than [`MAX_DNS`] bytes.
    #[error("a DNS message of {length} bytes is too large for a signed packet")]
    TooLarge {
        /// Its length.
        length: usize,
    },
}

impl<'a> SignedPacket<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`PacketError`].
    pub fn decode(packet: &'a [u8]) -> Result<Self, PacketError> {
        let length = packet.len();
        let (id, payload) = packet
            .split_first_chunk()
            .ok_or(PacketError::Truncated { length })?;
        Self::decode_payload(EndpointId(*id), payload)
    }

    /// Reads a payload that was found under `id`.
    ///
    /// # Errors
    /// [`PacketError`].
    pub fn decode_payload(id: EndpointId, payload: &'a [u8]) -> Result<Self, PacketError> {
        let length = payload.len();
        let truncated = PacketError::Truncated { length };
        let (signature, rest) = payload.split_first_chunk().ok_or(truncated)?;
        let (timestamp, dns) = rest.split_first_chunk().ok_or(truncated)?;
        if dns.len() > MAX_DNS {
            return Err(PacketError::TooLarge { length: dns.len() });
        }
        Ok(Self {
            id,
            signature: *signature,
            timestamp: u64::from_be_bytes(*timestamp),
            dns,
        })
    }

    /// The packet as bytes: the id, then the payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAX_PACKET.min(128 + self.dns.len()));
        out.extend_from_slice(self.id.as_bytes());
        self.put_payload(&mut out);
        out
    }

    /// Appends the payload to `out`.
    pub fn put_payload(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.signature);
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(self.dns);
    }

    /// What the signature is over.
    pub fn signed_bytes(&self) -> Vec<u8> {
        signed_bytes(self.timestamp, self.dns)
    }

    /// Whether this packet counts rather than `other`, of the same id: the later one does; of the
    /// same time, the one whose DNS message comes later in byte order.
    pub fn is_newer_than(&self, other: &SignedPacket<'_>) -> bool {
        (self.timestamp, self.dns) > (other.timestamp, other.dns)
    }
}

/// What is signed: `3:seqi<timestamp>e1:v<length>:<dns>`, the sequence number and the value of a
/// mutable item as bencoded dictionary entries [BEP 44].
pub fn signed_bytes(timestamp: u64, dns: &[u8]) -> Vec<u8> {
    let mut out = format!("3:seqi{timestamp}e1:v{}:", dns.len()).into_bytes();
    out.extend_from_slice(dns);
    out
}

#[cfg(test)]
mod tests;
