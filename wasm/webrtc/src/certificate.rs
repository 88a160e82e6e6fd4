//! The self-signed certificate that a remote knows by its fingerprint (RFC 8122): X.509 (RFC 5280) with a P-256 key.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePrivateKey, EncodePublicKey};
use str0m::config::DtlsCert;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// ecdsa-with-SHA256, 1.2.840.10045.4.3.2 [RFC 5758 § 3.2].
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// commonName, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// What browsers call theirs: the certificate tells a listener on the network nothing about who made it.
const NAME: &[u8] = b"WebRTC";

/// Who knows the fingerprint looks at neither of them; both are fixed, so that no wall clock is needed.
const NOT_BEFORE: &[u8] = b"200101000000Z";
const NOT_AFTER: &[u8] = b"491231235959Z";

/// A certificate of a new key, or `None` where the platform gives no random bytes.
pub fn generate() -> Option<DtlsCert> {
    let key = new_key()?;
    let public_key = key.verifying_key().to_public_key_der().ok()?;
    // The serial number differs from certificate to certificate, which Firefox wants. It is positive, and its first byte not zero.
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).ok()?;
    serial[0] = serial[0] & 0x7f | 0x40;

    let algorithm = der(SEQUENCE, &[&der(OBJECT_IDENTIFIER, &[ECDSA_WITH_SHA256])]);
    let attribute = der(
        SEQUENCE,
        &[
            &der(OBJECT_IDENTIFIER, &[COMMON_NAME]),
            &der(UTF8_STRING, &[NAME]),
        ],
    );
    let name = der(SEQUENCE, &[&der(SET, &[&attribute])]);
    let to_be_signed = der(
        SEQUENCE,
        &[
            &der(VERSION, &[&der(INTEGER, &[&[2]])]),
            &der(INTEGER, &[&serial]),
            &algorithm,
            &name,
            &der(
                SEQUENCE,
                &[&der(UTC_TIME, &[NOT_BEFORE]), &der(UTC_TIME, &[NOT_AFTER])],
            ),
            &name,
            public_key.as_bytes(),
        ],
    );
    let signature: DerSignature = key.sign(&to_be_signed);
    let certificate = der(
        SEQUENCE,
        &[
            &to_be_signed,
            &algorithm,
            &der(BIT_STRING, &[&[0], signature.as_bytes()]),
        ],
    );
    let private_key = key.to_pkcs8_der().ok()?.as_bytes().to_vec();
    Some(DtlsCert {
        certificate,
        private_key,
    })
}

/// Nearly every 32 bytes are a key of P-256.
fn new_key() -> Option<SigningKey> {
    loop {
        let mut scalar = [0; 32];
        getrandom::fill(&mut scalar).ok()?;
        if let Ok(key) = SigningKey::from_slice(&scalar) {
            return Some(key);
        }
    }
}

/// An element of DER (X.690): tag, length and content.
fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let len = content.iter().map(|part| part.len()).sum::<usize>();
    let mut out = vec![tag];
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let bytes = len.to_be_bytes();
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        out.push(0x80 | (bytes.len() - zeros) as u8);
        out.extend_from_slice(&bytes[zeros..]);
    }
    for part in content {
        out.extend_from_slice(part);
    }
    out
}
