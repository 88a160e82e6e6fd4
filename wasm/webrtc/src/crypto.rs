//! The cryptography that str0m is given: DTLS 1.2 by dimpl over RustCrypto, HMAC-SHA1 for STUN, SHA-256 for fingerprints. No SRTP: there is
//! no media.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use dimpl::crypto::Dtls12CipherSuite;
use dimpl::{Config, Dtls};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};
use str0m::crypto::{
    Sha1HmacProvider, Sha256Provider, SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm,
    SupportedAes128CmSha1_80,
};
use str0m_proto::crypto::CryptoError;

use crate::certificate;

/// ChaCha20-Poly1305 alone (RFC 7905): there is no AES hardware in WebAssembly, where AES-GCM is a fifth as fast, and whoever negotiates would
/// otherwise prefer that.
const SUITES: &[Dtls12CipherSuite] = &[Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256];

/// What every agent of this module uses.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            srtp_provider: &NoMedia,
            sha1_hmac_provider: &HmacSha1,
            sha256_provider: &PlainSha256,
            dtls_provider: &Dimpl,
        })
    });
    PROVIDER.clone()
}

#[derive(Debug)]
struct HmacSha1;

impl Sha1HmacProvider for HmacSha1 {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let mut mac =
            <Hmac<Sha1> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
        for payload in payloads {
            mac.update(payload);
        }
        mac.finalize().into_bytes().into()
    }
}

#[derive(Debug)]
struct PlainSha256;

impl Sha256Provider for PlainSha256 {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }
}

#[derive(Debug)]
struct Dimpl;

impl DtlsProvider for Dimpl {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        certificate::generate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        _version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let mut config = Config::builder()
            .with_crypto_provider(dimpl::crypto::rust_crypto::default_provider())
            .dtls12_cipher_suites(SUITES);
        if let Some(mtu) = mtu {
            config = config.mtu(mtu);
        }
        let dtls = Dtls::new_12(Arc::new(config.build()?), cert.clone(), now);
        Ok(Box::new(Association {
            dtls,
            now,
            early: BTreeSet::new(),
            is_connected: false,
        }))
    }
}

/// One DTLS association, whose keys for media nobody gets.
#[derive(Debug)]
struct Association {
    dtls: Dtls,
    /// Some time that is past.
    now: Instant,
    /// Epoch and number of the sealed records that have come before the handshake was over.
    early: BTreeSet<[u8; 8]>,
    is_connected: bool,
}

/// Sealed records that are taken before the handshake is over.
const MAX_EARLY: usize = 32;

/// Bytes of a DTLS record before its content (RFC 6347 section 4.1): type, version, epoch, number, length.
const RECORD_HEADER: usize = 13;

impl Association {
    /// Whether a datagram has a sealed record that was there before. dimpl keeps those that come before the keys, without looking whether they
    /// repeat one, and panics at the second.
    fn repeats(&mut self, mut packet: &[u8]) -> bool {
        while let Some((header, rest)) = packet.split_first_chunk::<RECORD_HEADER>() {
            let mut number = [0; 8];
            number.copy_from_slice(&header[3..11]);
            let is_sealed = header[3..5] != [0, 0];
            if is_sealed && (self.early.len() >= MAX_EARLY || !self.early.insert(number)) {
                return true;
            }
            let len = u16::from_be_bytes([header[11], header[12]]);
            packet = rest.get(usize::from(len)..).unwrap_or_default();
        }
        false
    }
}

impl DtlsInstance for Association {
    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        if !self.is_connected && self.repeats(packet) {
            return Ok(());
        }
        self.dtls.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        match self.dtls.poll_output(buf) {
            // With them str0m would set up SRTP. A time that is past has it poll again.
            DtlsOutput::KeyingMaterial(..) => DtlsOutput::Timeout(self.now),
            DtlsOutput::Connected => {
                self.is_connected = true;
                self.early.clear();
                DtlsOutput::Connected
            }
            output => output,
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.dtls.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<(), DtlsImplError> {
        self.dtls.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}

/// SRTP that str0m has to have, and never asks: without keying material it makes no ciphers.
#[derive(Debug)]
struct NoMedia;

impl SrtpProvider for NoMedia {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        unreachable!("{self:?}")
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        unreachable!("{self:?}")
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        unreachable!("{self:?}")
    }

    fn srtp_aes_128_ecb_round(&self, _key: &[u8], _input: &[u8], _output: &mut [u8]) {
        unreachable!("{self:?}")
    }

    fn srtp_aes_256_ecb_round(&self, _key: &[u8], _input: &[u8], _output: &mut [u8]) {
        unreachable!("{self:?}")
    }
}
