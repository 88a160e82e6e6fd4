//! AEAD_CHACHA20_POLY1305 ([RFC 8439 § 2.8]) of QUIC packets, in WebAssembly's vectors.
//!
//! *ring* has no vector code for WebAssembly, where sealing and opening was the largest cost of a packet. This is used there and
//! nowhere else; the other targets, where *ring* has assembly, compile it to test it.
//!
//! No branch and no index depends on a secret, and tags are compared in constant time. A key is erased when it is dropped;
//! what a packet's work leaves on the stack is not, as in *ring*.
//!
//! [RFC 8439 § 2.8]: https://www.rfc-editor.org/rfc/rfc8439#section-2.8
#![forbid(unsafe_code)]

mod chacha20;
mod poly1305;

use subtle::ConstantTimeEq;

use crate::chacha20::{BATCH, BLOCK, ChaCha20, xor};
use crate::poly1305::Poly1305;

/// Bytes of a tag.
pub const TAG: usize = 16;

/// A key of 32 bytes, erased when it is dropped.
pub struct ChaCha20Poly1305(ChaCha20);

impl ChaCha20Poly1305 {
    /// Keeps a copy of `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(ChaCha20::new(key))
    }

    /// Encrypts `data` in place and returns the tag over it and `header`.
    ///
    /// `nonce` must never be used again with this key. `data` has less than 2^32 - 4 blocks of 64 bytes, which a packet is far from.
    pub fn seal(&self, nonce: &[u8; 12], header: &[u8], data: &mut [u8]) -> [u8; TAG] {
        let start = self.0.key_stream(nonce, 0);
        self.encrypt(nonce, &start, data);
        mac(&start, header, data)
    }

    /// Decrypts `data` in place, and returns false without doing so when `tag` is not the one over it and `header`.
    pub fn open(&self, nonce: &[u8; 12], header: &[u8], data: &mut [u8], tag: &[u8; TAG]) -> bool {
        let start = self.0.key_stream(nonce, 0);
        let authentic = bool::from(mac(&start, header, data).ct_eq(tag));
        if authentic {
            self.encrypt(nonce, &start, data);
        }
        authentic
    }

    /// Block 0 of the key stream is the key of the MAC, and the data's begins with block 1.
    fn encrypt(&self, nonce: &[u8; 12], start: &[u8; BATCH], data: &mut [u8]) {
        let (first, rest) = data.split_at_mut(data.len().min(BATCH - BLOCK));
        xor(first, &start[BLOCK..]);
        self.0.apply(nonce, (BATCH / BLOCK) as u32, rest);
    }
}

/// The tag of `header` and the encrypted `data`.
fn mac(start: &[u8; BATCH], header: &[u8], data: &[u8]) -> [u8; TAG] {
    let mut key = [0; 32];
    key.copy_from_slice(&start[..32]);
    let mut mac = Poly1305::new(&key);
    mac.absorb_padded(header);
    mac.absorb_padded(data);
    let mut lengths = [0; 16];
    lengths[..8].copy_from_slice(&(header.len() as u64).to_le_bytes());
    lengths[8..].copy_from_slice(&(data.len() as u64).to_le_bytes());
    mac.absorb(&lengths);
    mac.tag()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [RFC 8439 § 2.8.2](https://www.rfc-editor.org/rfc/rfc8439#section-2.8.2)
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let header = [
            0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
        ];
        let text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
            for the future, sunscreen would be it.";
        let mut data = text.to_vec();
        let aead = ChaCha20Poly1305::new(&key);
        let tag = aead.seal(&nonce, &header, &mut data);
        let expected: [u8; 114] = {
            let hex = "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b\
                1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
                3ff4def08e4b7a9de576d26586cec64b6116";
            std::array::from_fn(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).expect("hex"))
        };
        assert_eq!(data, expected);
        assert_eq!(
            tag,
            [
                0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60,
                0x06, 0x91,
            ]
        );
        assert!(aead.open(&nonce, &header, &mut data, &tag));
        assert_eq!(data, text);
    }
}
