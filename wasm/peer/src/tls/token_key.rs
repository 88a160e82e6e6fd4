//! Sealing of address validation tokens.

use noq_proto::crypto::{CryptoError, HandshakeTokenKey};
use ring::{aead, hkdf};

/// Seals each token under a key of its own, expanded from one secret and the token's random 128-bit nonce,
/// because 96 random bits would be too few for the number of tokens that a busy server gives out.
pub(super) struct TokenKey(hkdf::Prk);

impl TokenKey {
    pub(super) fn new(secret: hkdf::Prk) -> Self {
        Self(secret)
    }

    fn key_of(&self, token_nonce: u128) -> Result<aead::LessSafeKey, CryptoError> {
        let info = [&token_nonce.to_be_bytes()[..]];
        let okm = self
            .0
            .expand(&info, &aead::CHACHA20_POLY1305)
            .map_err(|_| CryptoError)?;
        Ok(aead::LessSafeKey::new(okm.into()))
    }
}

/// The only nonce that a token's key is ever used with.
fn only_nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

impl HandshakeTokenKey for TokenKey {
    fn seal(&self, token_nonce: u128, data: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.key_of(token_nonce)?
            .seal_in_place_append_tag(only_nonce(), aead::Aad::empty(), data)
            .map_err(|_| CryptoError)
    }

    fn open<'a>(&self, token_nonce: u128, data: &'a mut [u8]) -> Result<&'a [u8], CryptoError> {
        self.key_of(token_nonce)?
            .open_in_place(only_nonce(), aead::Aad::empty(), data)
            .map(|plain| &*plain)
            .map_err(|_| CryptoError)
    }
}
