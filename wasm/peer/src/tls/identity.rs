//! A peer's secret key, its public id, and the keys derived from it.

use std::fmt;
use std::sync::Arc;

use noq_proto::crypto::{HandshakeTokenKey, HmacKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ring::{hkdf, hmac};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use zeroize::Zeroizing;

use super::token_key::TokenKey;

pub use anypath_wire::id::EndpointId;

/// Everything before the key in an Ed25519 SubjectPublicKeyInfo ([RFC 8410 § 4]): the algorithm identifier
/// without parameters and the header of a bit string with no unused bits.
///
/// [RFC 8410 § 4]: https://www.rfc-editor.org/rfc/rfc8410#section-4
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// An Ed25519 secret key: the 32-byte seed of [RFC 8032 § 5.1.5].
///
/// Erased from memory when dropped; `Debug` shows the public id only.
///
/// [RFC 8032 § 5.1.5]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5
#[derive(Clone)]
pub struct SecretKey {
    seed: Zeroizing<[u8; 32]>,
    public: EndpointId,
}

/// The platform gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the platform's random number generator failed")]
pub struct NoRandomness;

impl SecretKey {
    /// Makes a new key from the platform's random number generator.
    ///
    /// # Errors
    /// [`NoRandomness`] when the generator fails.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new()
            .fill(seed.as_mut())
            .map_err(|_| NoRandomness)?;
        Ok(Self::from_seed(seed))
    }

    /// The key with this seed. Every 32 bytes are a valid seed.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        Self::from_seed(Zeroizing::new(seed))
    }

    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        let mut public = [0; 32];
        public.copy_from_slice(key_pair(&seed).public_key().as_ref());
        Self {
            seed,
            public: EndpointId(public),
        }
    }

    /// The seed, for storing the key.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.seed.clone()
    }

    /// The id by which others dial this peer: its public key.
    pub fn public(&self) -> EndpointId {
        self.public
    }

    /// The Ed25519 signature of a message ([RFC 8032 § 5.1.6]).
    ///
    /// [RFC 8032 § 5.1.6]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.6
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.key_pair().sign(message).as_ref());
        signature
    }

    /// The key with which *ring* signs.
    pub(crate) fn key_pair(&self) -> Ed25519KeyPair {
        key_pair(&self.seed)
    }

    /// The key of stateless reset tokens ([RFC 9000 § 10.3]).
    ///
    /// It is the same after a restart, so a restarted peer can tell the other side at the next packet that
    /// its connections are gone.
    ///
    /// [RFC 9000 § 10.3]: https://www.rfc-editor.org/rfc/rfc9000#section-10.3
    pub fn reset_key(&self) -> Arc<dyn HmacKey> {
        let key: hmac::Key = self.derive(b"stateless reset", hmac::HMAC_SHA256);
        Arc::new(key)
    }

    /// The key of address validation tokens ([RFC 9000 § 8.1]).
    ///
    /// It is the same after a restart, so tokens that were given out before it stay good for their lifetime.
    ///
    /// [RFC 9000 § 8.1]: https://www.rfc-editor.org/rfc/rfc9000#section-8.1
    pub fn token_key(&self) -> Arc<dyn HandshakeTokenKey> {
        Arc::new(TokenKey::new(
            self.derive(b"address validation token", hkdf::HKDF_SHA256),
        ))
    }

    /// The key by which connection ids are recognised as this peer's own, after a restart too.
    pub fn connection_id_key(&self) -> [u8; 16] {
        let derived: Tag = self.derive(b"connection id", TagLength);
        derived.0
    }

    /// What the key of a certificate for browsers is made of, by the number of its period and of the attempt.
    #[cfg(feature = "webtransport")]
    pub(crate) fn web_transport_seed(&self, period: u64, attempt: u8) -> Zeroizing<[u8; 32]> {
        let purpose = [
            &b"webtransport certificate"[..],
            &period.to_be_bytes(),
            &[attempt],
        ];
        let derived: Seed = self.derive(&purpose.concat(), SeedLength);
        derived.0
    }

    /// HKDF-SHA256 ([RFC 5869]) of the seed: one independent key for each purpose.
    ///
    /// [RFC 5869]: https://www.rfc-editor.org/rfc/rfc5869
    fn derive<T, L>(&self, purpose: &[u8], length: L) -> T
    where
        L: hkdf::KeyType + Copy,
        T: for<'a> From<hkdf::Okm<'a, L>>,
    {
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"anypath/1 peer secret")
            .extract(self.seed.as_ref())
            .expand(&[purpose], length)
            .expect("a key of one hash is shorter than HKDF's limit of 255")
            .into()
    }
}

/// The length of the key of connection ids.
#[derive(Clone, Copy)]
struct TagLength;

impl hkdf::KeyType for TagLength {
    fn len(&self) -> usize {
        16
    }
}

struct Tag([u8; 16]);

impl From<hkdf::Okm<'_, TagLength>> for Tag {
    fn from(okm: hkdf::Okm<'_, TagLength>) -> Self {
        let mut key = [0; 16];
        okm.fill(&mut key).expect("the length is the one asked for");
        Self(key)
    }
}

/// The length of a scalar of P-256.
#[cfg(feature = "webtransport")]
#[derive(Clone, Copy)]
struct SeedLength;

#[cfg(feature = "webtransport")]
impl hkdf::KeyType for SeedLength {
    fn len(&self) -> usize {
        32
    }
}

#[cfg(feature = "webtransport")]
struct Seed(Zeroizing<[u8; 32]>);

#[cfg(feature = "webtransport")]
impl From<hkdf::Okm<'_, SeedLength>> for Seed {
    fn from(okm: hkdf::Okm<'_, SeedLength>) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        okm.fill(seed.as_mut())
            .expect("the length is the one asked for");
        Self(seed)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

fn key_pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are an Ed25519 seed")
}

/// The raw public key of `id` as TLS carries it: a SubjectPublicKeyInfo of 44 bytes.
pub fn spki_from_id(id: EndpointId) -> SubjectPublicKeyInfoDer<'static> {
    let mut der = Vec::with_capacity(SPKI_PREFIX.len() + 32);
    der.extend_from_slice(&SPKI_PREFIX);
    der.extend_from_slice(&id.0);
    der.into()
}

/// The id in a raw public key, or `None` unless `der` is exactly an Ed25519 SubjectPublicKeyInfo.
///
/// Whether the bytes are a point on the curve shows when a signature is verified with them.
pub fn id_from_spki(der: &[u8]) -> Option<EndpointId> {
    let key = der.strip_prefix(&SPKI_PREFIX)?;
    Some(EndpointId(key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 § 7.1, test 1.
    const SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];
    const PUBLIC: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07,
        0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
        0x51, 0x1a,
    ];

    #[test]
    fn the_public_id_is_the_rfc_8032_public_key() {
        assert_eq!(SecretKey::from_bytes(SEED).public().0, PUBLIC);
    }

    #[test]
    fn debug_never_shows_the_seed() {
        let shown = format!("{:?}", SecretKey::from_bytes(SEED));
        assert!(!shown.contains("9d61b1"), "{shown}");
        assert!(!shown.contains("157, 97"), "{shown}");
    }

    #[test]
    fn two_generated_keys_differ() {
        let one = SecretKey::generate().expect("random");
        let two = SecretKey::generate().expect("random");
        assert_ne!(one.public(), two.public());
    }

    #[test]
    fn a_public_key_survives_the_way_through_its_der() {
        let id = EndpointId(PUBLIC);
        let der = spki_from_id(id);
        assert_eq!(der.len(), 44);
        assert_eq!(id_from_spki(&der), Some(id));
        let rustls = rustls::sign::public_key_to_spki(&rustls::pki_types::alg_id::ED25519, PUBLIC);
        assert_eq!(der, rustls);
    }

    #[test]
    fn any_other_der_is_not_an_id() {
        let der = spki_from_id(EndpointId(PUBLIC)).to_vec();
        for cut in 0..der.len() {
            assert_eq!(id_from_spki(&der[..cut]), None);
        }
        let mut long = der.clone();
        long.push(0);
        assert_eq!(id_from_spki(&long), None);
        for at in 0..SPKI_PREFIX.len() {
            let mut bent = der.clone();
            bent[at] ^= 1;
            assert_eq!(id_from_spki(&bent), None, "byte {at}");
        }
    }

    #[test]
    fn the_reset_key_depends_on_the_secret_key_alone() {
        let sign = |key: &SecretKey| {
            let mut out = [0; 32];
            key.reset_key().sign(b"connection id", &mut out);
            out
        };
        let key = SecretKey::from_bytes(SEED);
        assert_eq!(sign(&key), sign(&key.clone()));
        assert_ne!(sign(&key), sign(&SecretKey::from_bytes([1; 32])));
    }

    #[test]
    fn a_token_opens_after_a_restart_and_not_when_it_was_changed() {
        let seal = |nonce| {
            let mut data = b"10.0.0.1:4433".to_vec();
            SecretKey::from_bytes(SEED)
                .token_key()
                .seal(nonce, &mut data)
                .expect("seal");
            data
        };
        let restarted = SecretKey::from_bytes(SEED).token_key();
        let mut sealed = seal(7);
        assert_eq!(
            restarted.open(7, &mut sealed).expect("open"),
            b"10.0.0.1:4433"
        );
        assert!(restarted.open(8, &mut seal(7)).is_err());
        let mut bent = seal(7);
        bent[0] ^= 1;
        assert!(restarted.open(7, &mut bent).is_err());
        assert!(restarted.open(7, &mut []).is_err());
    }
}
