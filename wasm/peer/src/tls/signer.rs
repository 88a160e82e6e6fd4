//! The key that this peer presents, as client and as server.

use std::fmt;
use std::sync::Arc;

use ring::signature::Ed25519KeyPair;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::identity::{EndpointId, SecretKey, spki_from_id};

/// The peer's raw public key and how to sign with it.
pub(super) fn certified_key(secret_key: &SecretKey) -> Arc<CertifiedKey> {
    let id = secret_key.public();
    let raw_key = CertificateDer::from(spki_from_id(id).to_vec());
    let signer = KeyHolder {
        pair: Arc::new(secret_key.key_pair()),
        id,
    };
    Arc::new(CertifiedKey::new(vec![raw_key], Arc::new(signer)))
}

#[derive(Clone)]
struct KeyHolder {
    pair: Arc<Ed25519KeyPair>,
    id: EndpointId,
}

impl SigningKey for KeyHolder {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(spki_from_id(self.id))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for KeyHolder {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl fmt::Debug for KeyHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHolder")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
