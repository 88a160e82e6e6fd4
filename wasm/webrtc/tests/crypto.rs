//! What the provider computes, against the vectors of the RFCs, and the certificate against another implementation's parser.

use anypath_webrtc::{certificate, crypto};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

/// [RFC 2202 § 3], the first, second, third and sixth case.
#[test]
fn hmac_sha1_is_that_of_rfc_2202() {
    let cases = [
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            "b617318655057264e28bc0b6fb378c8ef146be00",
        ),
        (
            b"Jefe".to_vec(),
            b"what do ya want for nothing?".to_vec(),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            vec![0xaa; 20],
            vec![0xdd; 50],
            "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
        ),
        (
            vec![0xaa; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
    ];
    for (key, data, expected) in cases {
        let (first, rest) = data.split_at(data.len() / 3);
        let provider = crypto::provider();
        assert_eq!(
            provider
                .sha1_hmac_provider
                .sha1_hmac(&key, &[&data])
                .to_vec(),
            hex(expected)
        );
        assert_eq!(
            provider
                .sha1_hmac_provider
                .sha1_hmac(&key, &[first, rest])
                .to_vec(),
            hex(expected)
        );
    }
}

/// [RFC 6234 § 8.5], the first and second case.
#[test]
fn sha_256_is_that_of_rfc_6234() {
    let cases = [
        (
            &b"abc"[..],
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ];
    for (data, expected) in cases {
        assert_eq!(
            crypto::provider().sha256_provider.sha256(data).to_vec(),
            hex(expected)
        );
    }
}

#[test]
fn a_certificate_is_x509_that_its_own_key_has_signed_and_no_two_are_alike() {
    let made = certificate::generate().expect("random bytes");
    let certificate = Certificate::from_der(&made.certificate).expect("X.509");
    let fields = &certificate.tbs_certificate;
    let public_key =
        VerifyingKey::from_public_key_der(&fields.subject_public_key_info.to_der().expect("DER"))
            .expect("a key of P-256");
    let signature = DerSignature::try_from(certificate.signature.raw_bytes()).expect("a signature");
    public_key
        .verify(&fields.to_der().expect("DER"), &signature)
        .expect("signed by its own key");
    let private_key = p256::ecdsa::SigningKey::from_pkcs8_der(&made.private_key).expect("PKCS #8");
    assert_eq!(*private_key.verifying_key(), public_key);
    assert_eq!(fields.subject, fields.issuer);

    let other = certificate::generate().expect("random bytes");
    let other = Certificate::from_der(&other.certificate).expect("X.509");
    assert_ne!(other.tbs_certificate.serial_number, fields.serial_number);
}
