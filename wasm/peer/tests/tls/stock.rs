//! A peer as others build it: *ring*'s default provider (X25519 and no post-quantum group, AES first),
//! `noq_proto`'s own sessions, and raw public keys.

use std::sync::Arc;

use anypath_peer::tls::{EndpointId, SecretKey};
use noq_proto::crypto;
use noq_proto::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

pub(crate) struct Stock {
    key: SecretKey,
    pub(crate) provider: CryptoProvider,
}

impl Stock {
    pub(crate) fn new(seed: u8) -> Self {
        Self {
            key: SecretKey::from_bytes([seed; 32]),
            provider: ring::default_provider(),
        }
    }

    pub(crate) fn id(&self) -> EndpointId {
        self.key.public()
    }

    pub(crate) fn client(&self, alpn: &str) -> Arc<dyn crypto::ClientConfig> {
        let resolver = AlwaysResolvesClientRawPublicKeys::new(self.certified_key());
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider())
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyRawKey))
            .with_client_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![alpn.into()];
        config.enable_early_data = true;
        Arc::new(QuicClientConfig::try_from(config).expect("an initial suite"))
    }

    /// A client that has no key to show.
    pub(crate) fn anonymous_client(&self, alpn: &str) -> Arc<dyn crypto::ClientConfig> {
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider())
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyRawKey))
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.into()];
        Arc::new(QuicClientConfig::try_from(config).expect("an initial suite"))
    }

    pub(crate) fn server(&self, alpn: &str) -> Arc<dyn crypto::ServerConfig> {
        let resolver = AlwaysResolvesServerRawPublicKeys::new(self.certified_key());
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider())
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(Arc::new(AnyRawKey))
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![alpn.into()];
        config.max_early_data_size = u32::MAX;
        Arc::new(QuicServerConfig::try_from(config).expect("an initial suite"))
    }

    fn provider(&self) -> Arc<CryptoProvider> {
        Arc::new(self.provider.clone())
    }

    fn certified_key(&self) -> Arc<CertifiedKey> {
        // PKCS #8 of an Ed25519 seed (RFC 8410 § 7).
        let mut der = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        der.extend_from_slice(&*self.key.to_bytes());
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der));
        let key = ring::sign::any_supported_type(&der).expect("an Ed25519 key");
        let spki = key.public_key().expect("public key");
        let raw_key = CertificateDer::from(spki.to_vec());
        Arc::new(CertifiedKey::new(vec![raw_key], key))
    }
}

/// Accepts whoever proves to hold the key that it presents.
#[derive(Debug)]
struct AnyRawKey;

fn verify(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
    let algorithms = ring::default_provider().signature_verification_algorithms;
    verify_tls13_signature_with_raw_key(message, &key, dss, &algorithms)
}

impl ServerCertVerifier for AnyRawKey {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for AnyRawKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
