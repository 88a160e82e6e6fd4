//! The certificates that browsers are shown: self-signed, short-lived, and the same after a restart.
//!
//! A page names the SHA-256 of the certificate that it expects (`serverCertificateHashes` of the [W3C interface]), which browsers allow for ECDSA
//! on P-256 and at most 14 days. So time is divided into periods of 12 days, each with a certificate that is good for a day before and
//! after. Its key comes from the peer's secret key and the period's number, and its signature is deterministic ([RFC 6979]): the hash that a
//! ticket names stays true through restarts. The next period's certificate is known beforehand, so what is shared now holds for 12 to 24
//! days.
//!
//! [W3C interface]: https://www.w3.org/TR/webtransport/#dom-webtransportoptions-servercertificatehashes
//! [RFC 6979]: https://www.rfc-editor.org/rfc/rfc6979

mod der;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey as EcdsaKey};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::time_provider::TimeProvider;
use rustls::{SignatureAlgorithm, SignatureScheme};

use crate::tls::SecretKey;

const DAY: u64 = 86_400;
/// How long a certificate is shown, in seconds.
const PERIOD: u64 = 12 * DAY;
/// How long it is good for before and after, for clocks that are wrong.
const MARGIN: u64 = DAY;

/// A certificate as others need to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateHash {
    /// SHA-256 of the certificate in DER.
    pub sha256: [u8; 32],
    /// From when on it is shown, as Unix time.
    pub shown_from: Duration,
    /// Until when it is shown, as Unix time.
    pub shown_until: Duration,
}

/// The certificates of one peer: that of now, and those that follow.
pub(crate) struct Certificates {
    secret_key: SecretKey,
    time: Arc<dyn TimeProvider>,
    /// By period; the one of now, and one on either side.
    made: Mutex<BTreeMap<u64, Arc<CertifiedKey>>>,
}

impl Certificates {
    pub(crate) fn new(secret_key: SecretKey, time: Arc<dyn TimeProvider>) -> Self {
        let made = Mutex::default();
        Self {
            secret_key,
            time,
            made,
        }
    }

    /// The certificate that is shown now, and the one that comes after it.
    pub(crate) fn hashes(&self) -> [CertificateHash; 2] {
        let period = self.period();
        [period, period + 1].map(|period| {
            let certificate = self.of(period);
            let der = certificate.cert.first().map_or(&[][..], |der| der);
            let mut sha256 = [0; 32];
            sha256.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, der).as_ref());
            CertificateHash {
                sha256,
                shown_from: Duration::from_secs(period * PERIOD),
                shown_until: Duration::from_secs((period + 1) * PERIOD),
            }
        })
    }

    fn period(&self) -> u64 {
        let now = self.time.current_time().map_or(0, |now| now.as_secs());
        now / PERIOD
    }

    fn of(&self, period: u64) -> Arc<CertifiedKey> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let certificate = made.entry(period).or_insert_with(|| {
            let key = key_of(&self.secret_key, period);
            Arc::new(certify(key, period))
        });
        let certificate = Arc::clone(certificate);
        // A clock may be set back, so one that has gone is kept for a while.
        made.retain(|other, _| other.abs_diff(period) <= 2);
        certificate
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.of(self.period()))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

/// The key of a period. Of 2^32 seeds one is no key; then the next attempt's is taken.
fn key_of(secret_key: &SecretKey, period: u64) -> EcdsaKey {
    (0_u8..=u8::MAX)
        .find_map(|attempt| {
            let seed = secret_key.web_transport_seed(period, attempt);
            EcdsaKey::from_slice(seed.as_ref()).ok()
        })
        .expect("256 seeds that are no keys don't happen")
}

fn certify(key: EcdsaKey, period: u64) -> CertifiedKey {
    let point = key.verifying_key().to_sec1_point(false);
    let mut serial = [0; 16];
    let digest = ring::digest::digest(&ring::digest::SHA256, point.as_bytes());
    serial.copy_from_slice(&digest.as_ref()[..16]);
    let start = (period * PERIOD).saturating_sub(MARGIN);
    // The last second is part of the validity (RFC 5280 § 4.1.2.5), and 14 days are all that browsers allow.
    let end = (period + 1) * PERIOD + MARGIN - 1;
    let body = der::certificate_body(&serial, [start, end], point.as_bytes());
    let signature = sign(&key, &body);
    let certificate = der::certificate(&body, &signature);
    let chain = vec![CertificateDer::from(certificate)];
    CertifiedKey::new(chain, Arc::new(Key(Arc::new(key))))
}

/// ECDSA on P-256 with SHA-256, as DER.
fn sign(key: &EcdsaKey, message: &[u8]) -> Vec<u8> {
    let signature: Signature = key.sign(message);
    let (r, s) = signature.split_bytes();
    der::signature(&r, &s)
}

#[derive(Clone)]
struct Key(Arc<EcdsaKey>);

impl SigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(sign(&self.0, message))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
