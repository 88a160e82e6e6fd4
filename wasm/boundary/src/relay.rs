//! What the embedded relay asks of the core: free functions, for a relay is no peer.
//!
//! Each answer begins with an outcome: 0 verified, 1 malformed, 2 signature invalid, 3 keying
//! material of another connection. When verified, the 32-byte key follows.

use anypath_peer::relay_auth::{self, RelayAuthError};
use anypath_peer::signed_packet::{self, SignedPacketError};
use anypath_peer::wire::EndpointId;
use wasm_bindgen::prelude::wasm_bindgen;

const VERIFIED: u8 = 0;
const MALFORMED: u8 = 1;
const SIGNATURE: u8 = 2;
const OTHER_CONNECTION: u8 = 3;

/// Verifies a `ClientAuth` message against the 16-byte challenge that it has to answer.
#[wasm_bindgen]
pub fn relay_verify_client_auth(challenge: &[u8], message: &[u8]) -> Vec<u8> {
    let found = challenge
        .try_into()
        .map_err(|_| RelayAuthError::Malformed)
        .and_then(|challenge| relay_auth::verify_client_auth(challenge, message));
    answer(found)
}

/// The key that a keying material authentication claims, as verified as the claim is: not at all.
#[wasm_bindgen]
pub fn relay_claimed_key(authentication: &[u8]) -> Vec<u8> {
    answer(relay_auth::claimed_key(authentication))
}

/// Verifies a keying material authentication against 32 bytes of exported material.
#[wasm_bindgen]
pub fn relay_verify_key_material(authentication: &[u8], material: &[u8]) -> Vec<u8> {
    let found = material
        .try_into()
        .map_err(|_| RelayAuthError::Malformed)
        .and_then(|material| relay_auth::verify_key_material(authentication, material));
    answer(found)
}

/// The time of a signed packet in microseconds since 1970; -1 malformed, -2 signature invalid.
#[wasm_bindgen]
pub fn relay_verify_signed_packet(id: &[u8], payload: &[u8]) -> f64 {
    let Ok(id) = EndpointId::try_from(id) else {
        return -f64::from(MALFORMED);
    };
    match signed_packet::verify_signed_packet(&id, payload) {
        Ok(micros) => micros as f64,
        Err(SignedPacketError::Length) => -f64::from(MALFORMED),
        Err(SignedPacketError::Signature) => -f64::from(SIGNATURE),
    }
}

/// The key that a text names: hexadecimal or base32, or z-base-32 when that is asked for; empty for none.
#[wasm_bindgen]
pub fn relay_parse_id(text: &str, z_base_32: bool) -> Vec<u8> {
    let id = if z_base_32 {
        EndpointId::from_z_base_32(text)
    } else {
        text.parse()
    };
    id.map(|id| id.as_bytes().to_vec()).unwrap_or_default()
}

fn answer(found: Result<EndpointId, RelayAuthError>) -> Vec<u8> {
    match found {
        Ok(id) => [&[VERIFIED], id.as_bytes().as_slice()].concat(),
        Err(RelayAuthError::Malformed) => vec![MALFORMED],
        Err(RelayAuthError::Signature) => vec![SIGNATURE],
        Err(RelayAuthError::OtherConnection) => vec![OTHER_CONNECTION],
    }
}
