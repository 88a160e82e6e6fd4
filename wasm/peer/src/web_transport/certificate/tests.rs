use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::UnixTime;

use super::*;

#[derive(Debug)]
struct Wall(AtomicU64);

impl TimeProvider for Wall {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::Relaxed);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Somewhere within a period.
const NOW: u64 = 150 * PERIOD + 5 * DAY;

fn certificates(seed: u8, now: u64) -> (Certificates, Arc<Wall>) {
    let wall = Arc::new(Wall(AtomicU64::new(now)));
    let secret_key = SecretKey::from_bytes([seed; 32]);
    (Certificates::new(secret_key, wall.clone()), wall)
}

#[test]
fn a_restart_changes_nothing_and_another_key_changes_all() {
    let [now, next] = certificates(1, NOW).0.hashes();
    assert_eq!(certificates(1, NOW + DAY).0.hashes(), [now, next]);
    assert_ne!(now.sha256, next.sha256);
    assert_ne!(certificates(2, NOW).0.hashes()[0].sha256, now.sha256);
}

#[test]
fn what_was_known_as_the_next_one_is_shown_when_its_time_comes() {
    let (certificates, wall) = certificates(1, NOW);
    let [now, next] = certificates.hashes();
    assert_eq!(now.shown_until, next.shown_from);
    wall.0
        .store(next.shown_from.as_secs() - 1, Ordering::Relaxed);
    assert_eq!(certificates.hashes()[0], now);
    wall.0.store(next.shown_from.as_secs(), Ordering::Relaxed);
    assert_eq!(certificates.hashes()[0], next);
    // Nobody keeps every certificate that there was.
    for later in 2..100 {
        wall.0.store(NOW + later * PERIOD, Ordering::Relaxed);
        let _ = certificates.hashes();
    }
    let made = certificates.made.lock().expect("no panic");
    assert!(made.len() <= 4, "{} certificates", made.len());
}

/// How many bytes the first element has before its content, and in it.
fn measure(der: &[u8]) -> (usize, usize) {
    match der[1] {
        0x81 => (3, der[2].into()),
        0x82 => (4, u16::from_be_bytes([der[2], der[3]]).into()),
        length => (2, length.into()),
    }
}

fn length(der: &[u8]) -> usize {
    let (head, content) = measure(der);
    head + content
}

fn content(der: &[u8]) -> &[u8] {
    let (head, content) = measure(der);
    &der[head..head + content]
}

#[test]
fn its_signature_is_its_own_keys_and_it_is_good_for_fourteen_days() {
    let (certificates, _) = certificates(1, NOW);
    let certified = certificates.of(certificates.period());
    let der = &certified.cert[0];
    let anchor = rustls::RootCertStore::empty().add(der.clone());
    assert!(anchor.is_ok(), "{anchor:?}");
    // The body, the algorithm, and the signature as a string of bits.
    let inside = content(der);
    let (body, after) = inside.split_at(length(inside));
    let signature = &content(&after[length(after)..])[1..];
    let key = key_of(&SecretKey::from_bytes([1; 32]), certificates.period());
    let point = key.verifying_key().to_sec1_point(false);
    let algorithm = &ring::signature::ECDSA_P256_SHA256_ASN1;
    let public = ring::signature::UnparsedPublicKey::new(algorithm, point.as_bytes());
    assert_eq!(public.verify(body, signature), Ok(()));
    assert!(
        der.windows(point.len())
            .any(|part| part == point.as_bytes())
    );
    assert_eq!(PERIOD + 2 * MARGIN, 14 * DAY);
}

#[test]
fn only_its_own_kind_of_signature_is_offered() {
    let key = Key(Arc::new(key_of(&SecretKey::from_bytes([1; 32]), 7)));
    assert!(key.choose_scheme(&[SignatureScheme::ED25519]).is_none());
    let offered = [
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::ECDSA_NISTP256_SHA256,
    ];
    let signer = key.choose_scheme(&offered).expect("P-256");
    assert_eq!(signer.scheme(), SignatureScheme::ECDSA_NISTP256_SHA256);
}
