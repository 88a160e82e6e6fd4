//! X25519MLKEM768: key exchange that holds unless both X25519 and ML-KEM-768 are broken.
//!
//! Shares and secrets are concatenations with ML-KEM first ([draft-ietf-tls-ecdhe-mlkem]):
//!
//! | | ML-KEM-768 ([FIPS 203]) | X25519 | bytes |
//! |---|---|---|---|
//! | client's share | encapsulation key, 1,184 | 32 | 1,216 |
//! | server's share | ciphertext, 1,088 | 32 | 1,120 |
//! | secret | 32 | 32 | 64 |
//!
//! The X25519 half of the client's share is also offered alone, so that a peer which knows only X25519
//! answers without a HelloRetryRequest and this side spends one key generation.
//!
//! [draft-ietf-tls-ecdhe-mlkem]: https://datatracker.ietf.org/doc/draft-ietf-tls-ecdhe-mlkem/
//! [FIPS 203]: https://csrc.nist.gov/pubs/fips/203/final

use ml_kem::kem::{Decapsulate, KeyExport};
use ml_kem::ml_kem_768::{Ciphertext, DecapsulationKey, EncapsulationKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::ring::kx_group::X25519;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::{Zeroize as _, Zeroizing};

const ENCAPSULATION_KEY_LEN: usize = 1184;
const CIPHERTEXT_LEN: usize = 1088;
const X25519_LEN: usize = 32;

/// The group of code point 0x11EC.
pub static X25519_MLKEM768: &dyn SupportedKxGroup = &Hybrid;

#[derive(Debug)]
struct Hybrid;

impl SupportedKxGroup for Hybrid {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut seed = ml_kem::Seed::default();
        fill_random(&mut seed)?;
        let decapsulation_key = DecapsulationKey::from_seed(seed);
        seed.zeroize();

        let classical = X25519.start()?;
        let encapsulation_key = decapsulation_key.encapsulation_key().to_bytes();
        Ok(Box::new(HybridExchange {
            share: [&encapsulation_key[..], classical.pub_key()].concat(),
            decapsulation_key: Box::new(decapsulation_key),
            classical,
        }))
    }

    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (encapsulation_key, point) = split(client_share, ENCAPSULATION_KEY_LEN)?;
        // Checked before any work for this client: the encoding must be of integers modulo q.
        let encapsulation_key = encapsulation_key
            .try_into()
            .ok()
            .and_then(|key| EncapsulationKey::new(key).ok())
            .ok_or(INVALID_KEY_SHARE)?;

        let mut message = Zeroizing::new([0; 32]);
        fill_random(message.as_mut())?;
        let (ciphertext, mut secret) =
            encapsulation_key.encapsulate_deterministic((&*message).into());
        let classical = X25519.start_and_complete(point)?;
        let completed = CompletedKeyExchange {
            group: NamedGroup::X25519MLKEM768,
            pub_key: [&ciphertext[..], &classical.pub_key].concat(),
            secret: join(&secret, &classical.secret),
        };
        secret.zeroize();
        Ok(completed)
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// The client's side between its ClientHello and the server's answer.
struct HybridExchange {
    share: Vec<u8>,
    decapsulation_key: Box<DecapsulationKey>,
    classical: Box<dyn ActiveKeyExchange>,
}

impl ActiveKeyExchange for HybridExchange {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, point) = split(server_share, CIPHERTEXT_LEN)?;
        let ciphertext: &Ciphertext = ciphertext.try_into().map_err(|_| INVALID_KEY_SHARE)?;
        let classical = self.classical.complete(point)?;
        let mut secret = self.decapsulation_key.decapsulate(ciphertext);
        let joined = join(&secret, &classical);
        secret.zeroize();
        Ok(joined)
    }

    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.classical.group(), self.classical.pub_key()))
    }

    fn complete_hybrid_component(
        self: Box<Self>,
        server_share: &[u8],
    ) -> Result<SharedSecret, Error> {
        self.classical.complete(server_share)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

const INVALID_KEY_SHARE: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// A share's ML-KEM part, of `ml_kem_len` bytes, and its X25519 part.
fn split(share: &[u8], ml_kem_len: usize) -> Result<(&[u8], &[u8]), Error> {
    if share.len() != ml_kem_len + X25519_LEN {
        return Err(INVALID_KEY_SHARE);
    }
    Ok(share.split_at(ml_kem_len))
}

/// The secret of the exchange. *ring* has refused an all-zero X25519 secret ([RFC 7748 § 6.1]) by now.
///
/// [RFC 7748 § 6.1]: https://www.rfc-editor.org/rfc/rfc7748#section-6.1
fn join(ml_kem: &[u8], classical: &SharedSecret) -> SharedSecret {
    // The exact capacity: growing would leave a copy of the secret behind.
    SharedSecret::from([ml_kem, classical.secret_bytes()].concat())
}

fn fill_random(buf: &mut [u8]) -> Result<(), Error> {
    SystemRandom::new()
        .fill(buf)
        .map_err(|_| Error::FailedToGetRandomBytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_share() -> (Box<dyn ActiveKeyExchange>, Vec<u8>) {
        let exchange = X25519_MLKEM768.start().expect("random");
        let share = exchange.pub_key().to_vec();
        (exchange, share)
    }

    fn is_invalid<T>(result: Result<T, Error>) -> bool {
        matches!(result, Err(error) if error == INVALID_KEY_SHARE)
    }

    #[test]
    fn both_sides_derive_the_same_secret_of_64_bytes() {
        let (exchange, share) = client_share();
        assert_eq!(share.len(), 1216);
        let server = X25519_MLKEM768.start_and_complete(&share).expect("valid");
        assert_eq!(server.group, NamedGroup::X25519MLKEM768);
        assert_eq!(server.pub_key.len(), 1120);
        let secret = exchange.complete(&server.pub_key).expect("valid");
        assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
        assert_eq!(secret.secret_bytes().len(), 64);
    }

    #[test]
    fn the_x25519_half_completes_alone() {
        let (exchange, share) = client_share();
        let (group, component) = exchange.hybrid_component().expect("offered");
        assert_eq!(group, NamedGroup::X25519);
        assert_eq!(component, &share[ENCAPSULATION_KEY_LEN..]);
        let server = X25519.start_and_complete(component).expect("valid");
        let secret = exchange
            .complete_hybrid_component(&server.pub_key)
            .expect("valid");
        assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
    }

    #[test]
    fn a_changed_ciphertext_gives_another_secret_and_no_error() {
        let (exchange, share) = client_share();
        let mut server = X25519_MLKEM768.start_and_complete(&share).expect("valid");
        server.pub_key[0] ^= 1;
        let secret = exchange
            .complete(&server.pub_key)
            .expect("implicit rejection");
        assert_ne!(
            secret.secret_bytes()[..32],
            server.secret.secret_bytes()[..32]
        );
        assert_eq!(
            secret.secret_bytes()[32..],
            server.secret.secret_bytes()[32..]
        );
    }

    #[test]
    fn shares_of_a_wrong_length_are_invalid() {
        for length in [0, 32, 1184, 1215, 1217] {
            assert!(is_invalid(
                X25519_MLKEM768.start_and_complete(&vec![1; length])
            ));
        }
        for length in [0, 32, 1088, 1119, 1121] {
            assert!(is_invalid(client_share().0.complete(&vec![1; length])));
            if length != X25519_LEN {
                let exchange = client_share().0;
                assert!(is_invalid(
                    exchange.complete_hybrid_component(&vec![1; length])
                ));
            }
        }
    }

    #[test]
    fn a_share_that_forces_an_all_zero_x25519_secret_is_invalid() {
        let mut share = client_share().1;
        share[ENCAPSULATION_KEY_LEN..].fill(0);
        assert!(is_invalid(X25519_MLKEM768.start_and_complete(&share)));
        let (exchange, share) = client_share();
        let mut server = X25519_MLKEM768.start_and_complete(&share).expect("valid");
        server.pub_key[CIPHERTEXT_LEN..].fill(0);
        assert!(is_invalid(exchange.complete(&server.pub_key)));
    }

    #[test]
    fn an_encapsulation_key_that_is_not_reduced_modulo_q_is_invalid() {
        let mut share = client_share().1;
        share[..3].fill(0xff);
        assert!(is_invalid(X25519_MLKEM768.start_and_complete(&share)));
    }
}
