//! Seals and opens packets with one AEAD of several, so that JavaScript can time it.
//!
//! [`run`] is the only export. It takes the number of an [`ALGORITHMS`] entry, whose name [`name`] returns.

use std::hint::black_box;

mod ciphers;

use ciphers::{Cipher, LibcruxChaCha, OldRustCrypto, RingAead, RustCrypto, Vectors};

/// What of a packet is sealed, and what is only authenticated: a QUIC packet of 1,400 bytes.
const HEADER: [u8; 14] = [0x40; 14];
const PLAINTEXT: usize = 1370;
const TAG: usize = 16;

type Make = fn() -> Box<dyn Cipher>;

const ALGORITHMS: [(&str, Make); 6] = [
    ("ring ChaCha20-Poly1305", || {
        Box::new(RingAead::new(&ring::aead::CHACHA20_POLY1305))
    }),
    ("anypath, ChaCha20 in vectors", || Box::new(Vectors::new())),
    ("chacha20poly1305 0.11", || Box::new(RustCrypto::new())),
    ("chacha20poly1305 0.10", || Box::new(OldRustCrypto::new())),
    ("libcrux-chacha20poly1305", || Box::new(LibcruxChaCha::new())),
    ("ring AES-128-GCM", || {
        Box::new(RingAead::new(&ring::aead::AES_128_GCM))
    }),
];

/// Byte `at` of the name of an algorithm, or 0 behind its end.
#[unsafe(no_mangle)]
pub extern "C" fn name(algorithm: u32, at: u32) -> u32 {
    let byte = ALGORITHMS
        .get(algorithm as usize)
        .and_then(|(name, _)| name.as_bytes().get(at as usize));
    byte.map_or(0, |&byte| u32::from(byte))
}

/// Seals (`open` = 0) or opens `packets` packets of 1,400 bytes and returns how many failed.
#[unsafe(no_mangle)]
pub extern "C" fn run(algorithm: u32, open: u32, packets: u32) -> u32 {
    let cipher = ALGORITHMS[algorithm as usize].1();
    let mut sealed = [0; PLAINTEXT + TAG];
    assert!(cipher.seal(0, &HEADER, &mut sealed), "the first seal works");
    // Every packet starts from a fresh copy, when sealing as well, to make both directions comparable.
    let mut packet = sealed;
    let mut failed = 0;
    for number in 0..u64::from(packets) {
        packet.copy_from_slice(black_box(&sealed));
        let good = match open {
            0 => cipher.seal(number, &HEADER, &mut packet),
            _ => cipher.open(0, &HEADER, &mut packet),
        };
        failed += u32::from(!good);
        black_box(&packet);
    }
    failed
}
