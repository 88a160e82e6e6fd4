//! Address records that their key has signed, verified: what a pkarr relay takes.

use anypath_wire::EndpointId;
use anypath_wire::pkarr::SignedPacket;
use thiserror::Error;

use crate::relay_auth::verify_signature;

const DNS_HEADER_LENGTH: usize = 12;

/// Why a payload is not a record of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignedPacketError {
    /// Too short for a DNS header, or longer than a record may be.
    #[error("a signed packet has another length")]
    Length,
    /// The key did not sign this packet with this time.
    #[error("the signature of the packet is invalid")]
    Signature,
}

/// The time of a signed payload, in microseconds since 1970, once its signature is verified.
///
/// # Errors
/// [`SignedPacketError`].
pub fn verify_signed_packet(id: &EndpointId, payload: &[u8]) -> Result<u64, SignedPacketError> {
    let packet =
        SignedPacket::decode_payload(*id, payload).map_err(|_| SignedPacketError::Length)?;
    if packet.dns.len() < DNS_HEADER_LENGTH {
        return Err(SignedPacketError::Length);
    }
    verify_signature(id, &packet.signed_bytes(), &packet.signature)
        .map_err(|_| SignedPacketError::Signature)?;
    Ok(packet.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::SecretKey;
    use anypath_wire::pkarr::signed_bytes;

    fn payload(secret: &SecretKey, micros: u64, packet: &[u8]) -> Vec<u8> {
        let signature = secret.key_pair().sign(&signed_bytes(micros, packet));
        [signature.as_ref(), &micros.to_be_bytes(), packet].concat()
    }

    #[test]
    fn a_signed_packet_tells_its_time() {
        let secret = SecretKey::from_bytes([5; 32]);
        let payload = payload(&secret, 1_700_000_000_000_001, &[0; 12]);
        assert_eq!(
            verify_signed_packet(&secret.public(), &payload),
            Ok(1_700_000_000_000_001)
        );
    }

    #[test]
    fn each_byte_is_under_the_signature() {
        let secret = SecretKey::from_bytes([5; 32]);
        let payload = payload(&secret, 1_700_000_000_000_001, &[3; 20]);
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 1;
            let found = verify_signed_packet(&secret.public(), &changed);
            assert_eq!(found, Err(SignedPacketError::Signature), "byte {at}");
        }
        let other = SecretKey::from_bytes([6; 32]).public();
        assert_eq!(
            verify_signed_packet(&other, &payload),
            Err(SignedPacketError::Signature)
        );
    }

    #[test]
    fn lengths_out_of_bounds_are_refused() {
        let secret = SecretKey::from_bytes([5; 32]);
        for length in [0, 11, 1001] {
            let payload = payload(&secret, 1, &vec![0; length]);
            assert_eq!(
                verify_signed_packet(&secret.public(), &payload),
                Err(SignedPacketError::Length)
            );
        }
        assert_eq!(
            verify_signed_packet(&secret.public(), &payload(&secret, 1, &[0; 1000])),
            Ok(1)
        );
        assert_eq!(
            verify_signed_packet(&secret.public(), &[0; 71]),
            Err(SignedPacketError::Length)
        );
    }
}
