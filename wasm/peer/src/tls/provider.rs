//! The cryptography offered to rustls: *ring*'s, TLS 1.3 only, with a post-quantum group of ours.

use std::sync::Arc;

use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::ring::kx_group::X25519;
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom};
use rustls::pki_types::PrivateKeyDer;
use rustls::quic::Suite;
use rustls::sign::SigningKey;

use super::hybrid::X25519_MLKEM768;
use super::suite::chacha20_poly1305_sha256;
use super::verifier::SIGNATURES;

/// Which key exchange groups a peer offers and accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyExchange {
    /// X25519MLKEM768, and X25519 for peers that have nothing better.
    PostQuantum,
    /// X25519 alone: what is recorded today can be read by a quantum computer of tomorrow.
    Classical,
}

/// What this peer offers and accepts, most preferred first.
///
/// - Cipher suites: ChaCha20-Poly1305 before AES-256-GCM and AES-128-GCM, because WebAssembly has no AES
///   instructions and AES runs at a fifth of the speed there.
/// - Groups: X25519MLKEM768, then X25519.
/// - Signatures: Ed25519.
pub fn crypto_provider(key_exchange: KeyExchange) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            // Where *ring* has assembly, that is faster than vectors.
            match cfg!(all(target_arch = "wasm32", target_feature = "simd128")) {
                true => chacha20_poly1305_sha256(),
                false => TLS13_CHACHA20_POLY1305_SHA256,
            },
            TLS13_AES_256_GCM_SHA384,
            TLS13_AES_128_GCM_SHA256,
        ],
        kx_groups: match key_exchange {
            KeyExchange::PostQuantum => vec![X25519_MLKEM768, X25519],
            KeyExchange::Classical => vec![X25519],
        },
        signature_verification_algorithms: SIGNATURES,
        secure_random: &PlatformRandom,
        key_provider: &NoKeyFiles,
    })
}

/// The suite of Initial packets, which is AES-128-GCM whatever is negotiated later ([RFC 9001 § 5.2]).
///
/// [RFC 9001 § 5.2]: https://www.rfc-editor.org/rfc/rfc9001#section-5.2
pub(super) fn initial_suite() -> Suite {
    TLS13_AES_128_GCM_SHA256
        .tls13()
        .and_then(|suite| suite.quic_suite())
        .expect("a TLS 1.3 suite of ring serves QUIC")
}

#[derive(Debug)]
struct PlatformRandom;

impl SecureRandom for PlatformRandom {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        use ring::rand::{SecureRandom as _, SystemRandom};
        SystemRandom::new().fill(buf).map_err(|_| GetRandomFailed)
    }
}

/// Peers hold one Ed25519 key, given as bytes. Loading keys from files would link every other algorithm.
#[derive(Debug)]
struct NoKeyFiles;

impl KeyProvider for NoKeyFiles {
    fn load_private_key(
        &self,
        _key_der: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General(
            "a peer's key is its identity and is not loaded from DER".into(),
        ))
    }
}
