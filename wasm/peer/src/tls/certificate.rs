//! X.509: what a server shows to clients that know it by a name, and not by its key.

use std::fmt;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

/// A certificate chain and the key of its first certificate.
#[derive(Clone)]
pub struct Certificate(pub(super) Arc<CertifiedKey>);

/// Why a certificate or its key can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The chain is empty.
    #[error("the certificate chain is empty")]
    NoCertificate,
    /// The first certificate is not X.509 in DER.
    #[error("the certificate is malformed")]
    Malformed,
    /// The key is not PKCS #8 in DER of a kind that is known: ECDSA on P-256 or P-384, Ed25519, RSA of 2,048
    /// to 4,096 bits.
    #[error("the private key is malformed, or of a kind that is not known")]
    Key,
    /// The key is another certificate's.
    #[error("the private key is not the certificate's")]
    Mismatch,
}

#[cfg(feature = "x509")]
impl Certificate {
    /// A chain in DER, the server's own certificate first ([RFC 5280]), and its key in PKCS #8 ([RFC 5958]).
    ///
    /// # Errors
    /// [`CertificateError`]. What the certificate says, its names and its dates, is for clients to judge.
    ///
    /// [RFC 5280]: https://www.rfc-editor.org/rfc/rfc5280
    /// [RFC 5958]: https://www.rfc-editor.org/rfc/rfc5958
    pub fn new(chain: Vec<Vec<u8>>, private_key: &[u8]) -> Result<Self, CertificateError> {
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(private_key));
        let key = rustls::crypto::ring::sign::any_supported_type(&key)
            .map_err(|_| CertificateError::Key)?;
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self(Arc::new(certified))),
            Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch),
            Err(_) => Err(CertificateError::Malformed),
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}
