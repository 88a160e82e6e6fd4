//! Signed records: what a peer publishes about itself, as packets of pkarr.
//!
//! The signature is Ed25519 by the peer's secret key, over the form of BEP 44. Only a packet whose
//! signature is right is ever looked into.

use anypath_wire::info::{EndpointInfo, InfoError};
use anypath_wire::pkarr::{PacketError, SignedPacket, signed_bytes};
use thiserror::Error;

use crate::relay_auth::verify_signature;
use crate::tls::SecretKey;

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it was made, in microseconds since the Unix epoch; of two records the later one counts.
    pub timestamp: u64,
    /// What it says.
    pub info: EndpointInfo,
}

/// Why a record can't be made or is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The information is about another peer; only when signing.
    #[error("a record can only be signed for the peer's own id")]
    OtherPeer,
    /// Not a signed packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// The signature is not that of the key under which the packet was found.
    #[error("the record's signature is wrong")]
    Signature,
    /// The information can't be read, or can't be written.
    #[error(transparent)]
    Info(#[from] InfoError),
}

/// Signs what a peer says about itself and returns the packet: its id, then what HTTP relays of
/// pkarr take.
///
/// # Errors
/// [`RecordError::OtherPeer`] unless the information is about the peer with that key;
/// [`RecordError::Info`] when it can't be written.
pub fn sign(
    key: &SecretKey,
    info: &EndpointInfo,
    ttl: u32,
    timestamp: u64,
) -> Result<Vec<u8>, RecordError> {
    let id = key.public();
    if *info.endpoint.id() != id {
        return Err(RecordError::OtherPeer);
    }
    let dns = info.to_dns(ttl)?;
    let packet = SignedPacket {
        id,
        signature: key.sign(&signed_bytes(timestamp, &dns)),
        timestamp,
        dns: &dns,
    };
    Ok(packet.to_bytes())
}

/// Reads the packet of the peer whose id it begins with.
///
/// # Errors
/// [`RecordError::Packet`], [`RecordError::Signature`], and [`RecordError::Info`] when what is
/// signed is not a DNS message.
pub fn read(packet: &[u8]) -> Result<Record, RecordError> {
    let packet = SignedPacket::decode(packet)?;
    verify_signature(&packet.id, &packet.signed_bytes(), &packet.signature)
        .map_err(|_| RecordError::Signature)?;
    Ok(Record {
        timestamp: packet.timestamp,
        info: EndpointInfo::from_dns(packet.id, packet.dns)?,
    })
}

#[cfg(test)]
mod tests;
