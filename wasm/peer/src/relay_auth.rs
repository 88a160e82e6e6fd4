//! How a client proves to a relay that it holds its key: iroh's relay handshake, both halves.
//!
//! The relay sends 16 random bytes, and the client signs a key derived from them, so that a relay
//! that chooses the bytes can't have anything else signed. Where both ends can export keying
//! material of the TLS connection between them [RFC 8446 § 7.5], the client may sign that instead
//! and saves a round trip.

use anypath_wire::EndpointId;
use anypath_wire::relay::MessageType;
use anypath_wire::relay::handshake::{CHALLENGE_CONTEXT, CHALLENGE_LENGTH, SIGNATURE_LENGTH};
use ring::signature::{ED25519, UnparsedPublicKey};
use thiserror::Error;

/// How many bytes of keying material are exported; the client signs the first half.
pub const KEY_MATERIAL_LENGTH: usize = 32;

const SUFFIX_LENGTH: usize = 16;

/// Points of small order, for which anybody can make signatures; the sign bit is cleared.
///
/// They are 0, 1, the two of order 8, and -1, 0 and 1 as field elements that are not reduced.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    first_and_last(0x01, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    first_and_last(0xec, 0xff, 0x7f),
    first_and_last(0xed, 0xff, 0x7f),
    first_and_last(0xee, 0xff, 0x7f),
];

/// Why a client is not who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RelayAuthError {
    /// The message is not what the handshake has at this point.
    #[error("the authentication message is malformed")]
    Malformed,
    /// The client saw other keying material: something between it and the relay ends TLS.
    #[error("the keying material is that of another TLS connection")]
    OtherConnection,
    /// The signature is not one of this key for what was to be signed.
    #[error("the signature is invalid")]
    Signature,
}

/// What a client signs to answer a challenge.
pub fn challenge_message(challenge: &[u8; CHALLENGE_LENGTH]) -> [u8; 32] {
    blake3::derive_key(CHALLENGE_CONTEXT, challenge)
}

/// The client whose `ClientAuth` message answers the challenge.
///
/// # Errors
/// [`RelayAuthError::Malformed`] for another message, [`RelayAuthError::Signature`] when the key
/// did not sign this very challenge.
pub fn verify_client_auth(
    challenge: &[u8; CHALLENGE_LENGTH],
    message: &[u8],
) -> Result<EndpointId, RelayAuthError> {
    let Ok((MessageType::ClientAuth, body)) = MessageType::read(message) else {
        return Err(RelayAuthError::Malformed);
    };
    let (id, signature, rest) = key_and_signature(body)?;
    if !rest.is_empty() {
        return Err(RelayAuthError::Malformed);
    }
    verify_signature(&id, &challenge_message(challenge), signature)?;
    Ok(id)
}

/// The key that a client names in its keying material authentication, not proven yet: the material
/// is exported with this key as its context.
///
/// # Errors
/// [`RelayAuthError::Malformed`].
pub fn claimed_key(authentication: &[u8]) -> Result<EndpointId, RelayAuthError> {
    let (id, _, suffix) = key_and_signature(authentication)?;
    if suffix.len() == SUFFIX_LENGTH {
        Ok(id)
    } else {
        Err(RelayAuthError::Malformed)
    }
}

/// The client that signed the keying material of this TLS connection.
///
/// # Errors
/// [`RelayAuthError::Malformed`], [`RelayAuthError::OtherConnection`] when the material differs
/// from what the client saw, and [`RelayAuthError::Signature`].
pub fn verify_key_material(
    authentication: &[u8],
    material: &[u8; KEY_MATERIAL_LENGTH],
) -> Result<EndpointId, RelayAuthError> {
    let (id, signature, suffix) = key_and_signature(authentication)?;
    let (signed, expected_suffix) = material.split_at(KEY_MATERIAL_LENGTH - SUFFIX_LENGTH);
    if suffix.len() != SUFFIX_LENGTH {
        return Err(RelayAuthError::Malformed);
    }
    if suffix != expected_suffix {
        return Err(RelayAuthError::OtherConnection);
    }
    verify_signature(&id, signed, signature)?;
    Ok(id)
}

/// Checks an Ed25519 signature [RFC 8032], and that the key is one that only its holder can sign with.
///
/// # Errors
/// [`RelayAuthError::Signature`].
pub(crate) fn verify_signature(
    id: &EndpointId,
    message: &[u8],
    signature: &[u8],
) -> Result<(), RelayAuthError> {
    if has_small_order(id) {
        return Err(RelayAuthError::Signature);
    }
    UnparsedPublicKey::new(&ED25519, id.as_bytes())
        .verify(message, signature)
        .map_err(|_| RelayAuthError::Signature)
}

/// The key and the signature, a byte string of postcard's, at the start of `bytes`; and what follows.
fn key_and_signature(bytes: &[u8]) -> Result<(EndpointId, &[u8], &[u8]), RelayAuthError> {
    let (id, rest) = bytes
        .split_first_chunk::<32>()
        .ok_or(RelayAuthError::Malformed)?;
    let (length, rest) = rest.split_first().ok_or(RelayAuthError::Malformed)?;
    if usize::from(*length) != SIGNATURE_LENGTH {
        return Err(RelayAuthError::Malformed);
    }
    let (signature, rest) = rest
        .split_at_checked(SIGNATURE_LENGTH)
        .ok_or(RelayAuthError::Malformed)?;
    Ok((EndpointId(*id), signature, rest))
}

fn has_small_order(id: &EndpointId) -> bool {
    let mut point = *id.as_bytes();
    point[31] &= 0x7f;
    SMALL_ORDER.contains(&point)
}

const fn first_and_last(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::SecretKey;

    fn client_auth(secret: &SecretKey, challenge: &[u8; 16]) -> Vec<u8> {
        let signature = secret.key_pair().sign(&challenge_message(challenge));
        let mut message = vec![1];
        message.extend_from_slice(secret.public().as_bytes());
        message.push(64);
        message.extend_from_slice(signature.as_ref());
        message
    }

    fn secret(byte: u8) -> SecretKey {
        SecretKey::from_bytes([byte; 32])
    }

    #[test]
    fn an_answer_to_the_challenge_names_its_client() {
        let client = secret(1);
        let challenge = [7; 16];
        let message = client_auth(&client, &challenge);
        assert_eq!(
            verify_client_auth(&challenge, &message),
            Ok(client.public())
        );
    }

    #[test]
    fn an_answer_to_another_challenge_is_refused() {
        let message = client_auth(&secret(1), &[7; 16]);
        assert_eq!(
            verify_client_auth(&[8; 16], &message),
            Err(RelayAuthError::Signature)
        );
    }

    #[test]
    fn a_key_that_did_not_sign_is_refused() {
        let mut message = client_auth(&secret(1), &[7; 16]);
        message[1..33].copy_from_slice(secret(2).public().as_bytes());
        assert_eq!(
            verify_client_auth(&[7; 16], &message),
            Err(RelayAuthError::Signature)
        );
    }

    #[test]
    fn every_other_length_is_malformed() {
        let message = client_auth(&secret(1), &[7; 16]);
        for length in 0..message.len() {
            let found = verify_client_auth(&[7; 16], &message[..length]);
            assert_eq!(found, Err(RelayAuthError::Malformed), "{length} bytes");
        }
        let mut longer = message.clone();
        longer.push(0);
        assert_eq!(
            verify_client_auth(&[7; 16], &longer),
            Err(RelayAuthError::Malformed)
        );
        let mut other_kind = message;
        other_kind[0] = 4;
        assert_eq!(
            verify_client_auth(&[7; 16], &other_kind),
            Err(RelayAuthError::Malformed)
        );
    }

    #[test]
    fn a_key_of_small_order_signs_for_nobody() {
        // R is the neutral element and S is zero: valid for every message where the key has order 1.
        let mut signature = [0; 64];
        signature[0] = 1;
        for sign in [0x00, 0x80] {
            for mut point in SMALL_ORDER {
                point[31] |= sign;
                let found = verify_signature(&EndpointId(point), b"anything", &signature);
                assert_eq!(found, Err(RelayAuthError::Signature));
            }
        }
        let neutral = EndpointId(SMALL_ORDER[1]);
        let unchecked =
            UnparsedPublicKey::new(&ED25519, neutral.as_bytes()).verify(b"anything", &signature);
        assert!(unchecked.is_ok(), "the check is there for a reason");
    }

    #[test]
    fn signed_keying_material_names_its_client() {
        let client = secret(3);
        let material: [u8; 32] = std::array::from_fn(|at| at as u8);
        let mut authentication = client.public().as_bytes().to_vec();
        authentication.push(64);
        authentication.extend_from_slice(client.key_pair().sign(&material[..16]).as_ref());
        authentication.extend_from_slice(&material[16..]);
        assert_eq!(claimed_key(&authentication), Ok(client.public()));
        assert_eq!(
            verify_key_material(&authentication, &material),
            Ok(client.public())
        );
        let mut other = material;
        other[31] ^= 1;
        assert_eq!(
            verify_key_material(&authentication, &other),
            Err(RelayAuthError::OtherConnection)
        );
        other = material;
        other[0] ^= 1;
        assert_eq!(
            verify_key_material(&authentication, &other),
            Err(RelayAuthError::Signature)
        );
        authentication.pop();
        assert_eq!(claimed_key(&authentication), Err(RelayAuthError::Malformed));
    }
}
