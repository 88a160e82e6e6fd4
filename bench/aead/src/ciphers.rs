//! The crates compared, behind one trait.

use chacha20poly1305_010::aead::{AeadInPlace, KeyInit as _};
use chacha20poly1305_011::aead::inout::InOutBuf;
use chacha20poly1305_011::aead::{AeadInOut, KeyInit as _};

use super::TAG;

const KEY: [u8; 32] = [7; 32];

/// One AEAD under one key. The last [`TAG`] bytes of `packet` are the tag.
pub trait Cipher {
    fn seal(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool;
    fn open(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool;
}

fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}

pub struct RingAead(ring::aead::LessSafeKey);

impl RingAead {
    pub fn new(algorithm: &'static ring::aead::Algorithm) -> Self {
        let key = ring::aead::UnboundKey::new(algorithm, &KEY[..algorithm.key_len()]);
        Self(ring::aead::LessSafeKey::new(key.expect("key length")))
    }
}

impl Cipher for RingAead {
    fn seal(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - TAG);
        let nonce = ring::aead::Nonce::assume_unique_for_key(nonce(number));
        let aad = ring::aead::Aad::from(header);
        match self.0.seal_in_place_separate_tag(nonce, aad, text) {
            Ok(made) => {
                tag.copy_from_slice(made.as_ref());
                true
            }
            Err(_) => false,
        }
    }

    fn open(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let nonce = ring::aead::Nonce::assume_unique_for_key(nonce(number));
        let aad = ring::aead::Aad::from(header);
        self.0.open_in_place(nonce, aad, packet).is_ok()
    }
}

pub struct RustCrypto(chacha20poly1305_011::ChaCha20Poly1305);

impl RustCrypto {
    pub fn new() -> Self {
        Self(chacha20poly1305_011::ChaCha20Poly1305::new(&KEY.into()))
    }
}

impl Cipher for RustCrypto {
    fn seal(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - TAG);
        let nonce = nonce(number).into();
        match self.0.encrypt_inout_detached(&nonce, header, InOutBuf::from(text)) {
            Ok(made) => {
                tag.copy_from_slice(&made);
                true
            }
            Err(_) => false,
        }
    }

    fn open(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - TAG);
        let nonce = nonce(number).into();
        let Ok(tag) = (&*tag).try_into() else {
            return false;
        };
        self.0
            .decrypt_inout_detached(&nonce, header, InOutBuf::from(text), tag)
            .is_ok()
    }
}

pub struct OldRustCrypto(chacha20poly1305_010::ChaCha20Poly1305);

impl OldRustCrypto {
    pub fn new() -> Self {
        Self(chacha20poly1305_010::ChaCha20Poly1305::new(&KEY.into()))
    }
}

impl Cipher for OldRustCrypto {
    fn seal(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - TAG);
        match self
            .0
            .encrypt_in_place_detached(&nonce(number).into(), header, text)
        {
            Ok(made) => {
                tag.copy_from_slice(&made);
                true
            }
            Err(_) => false,
        }
    }

    fn open(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - TAG);
        let tag = (&*tag).into();
        self.0
            .decrypt_in_place_detached(&nonce(number).into(), header, text, tag)
            .is_ok()
    }
}

/// It works from one buffer to another, so each packet is copied once more.
pub struct LibcruxChaCha;

impl LibcruxChaCha {
    pub fn new() -> Self {
        Self
    }
}

impl Cipher for LibcruxChaCha {
    fn seal(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let mut text = [0; super::PLAINTEXT];
        text.copy_from_slice(&packet[..super::PLAINTEXT]);
        libcrux_chacha20poly1305::encrypt(&KEY, &text, packet, header, &nonce(number)).is_ok()
    }

    fn open(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let mut text = [0; super::PLAINTEXT];
        let opened =
            libcrux_chacha20poly1305::decrypt(&KEY, &mut text, packet, header, &nonce(number))
                .is_ok();
        packet[..super::PLAINTEXT].copy_from_slice(&text);
        opened
    }
}

/// The core's own.
pub struct Vectors(anypath_aead::ChaCha20Poly1305);

impl Vectors {
    pub fn new() -> Self {
        Self(anypath_aead::ChaCha20Poly1305::new(&KEY))
    }
}

impl Cipher for Vectors {
    fn seal(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - TAG);
        tag.copy_from_slice(&self.0.seal(&nonce(number), header, text));
        true
    }

    fn open(&self, number: u64, header: &[u8], packet: &mut [u8]) -> bool {
        let (text, tag) = packet.split_at_mut(packet.len() - TAG);
        let Ok(tag) = (&*tag).try_into() else {
            return false;
        };
        self.0.open(&nonce(number), header, text, tag)
    }
}
