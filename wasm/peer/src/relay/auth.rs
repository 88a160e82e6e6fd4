//! The answer to a relay's challenge.

use anypath_wire::relay::handshake::{CHALLENGE_LENGTH, ClientAuth};

use crate::relay_auth::challenge_message;
use crate::tls::SecretKey;

/// Signs a challenge. The relay chooses it, so it is not signed itself but a key derived from it; what is
/// signed here can mean nothing elsewhere.
pub(crate) fn answer(key: &SecretKey, challenge: &[u8; CHALLENGE_LENGTH]) -> Vec<u8> {
    let auth = ClientAuth {
        id: key.public(),
        signature: key.sign(&challenge_message(challenge)),
    };
    let mut out = Vec::new();
    auth.encode(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay_auth::{RelayAuthError, verify_client_auth};

    #[test]
    fn a_relay_takes_the_answer_to_its_challenge_and_to_no_other() {
        let key = SecretKey::from_bytes([7; 32]);
        let answer = answer(&key, &[1; 16]);
        assert_eq!(verify_client_auth(&[1; 16], &answer), Ok(key.public()));
        let other = verify_client_auth(&[2; 16], &answer);
        assert_eq!(other, Err(RelayAuthError::Signature));
    }
}
