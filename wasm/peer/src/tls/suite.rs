//! TLS_CHACHA20_POLY1305_SHA256 with packet keys of ours: the rest of the suite is *ring*'s.

use std::sync::LazyLock;

use anypath_aead::{ChaCha20Poly1305, TAG};
use rustls::crypto::cipher::{AeadKey, Iv, Nonce};
use rustls::crypto::ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
use rustls::quic::{Algorithm, HeaderProtectionKey, PacketKey, Tag};
use rustls::{CipherSuiteCommon, Error, SupportedCipherSuite, Tls13CipherSuite};

/// The suite whose QUIC packets are sealed and opened by [`ChaCha20Poly1305`].
pub(super) fn chacha20_poly1305_sha256() -> SupportedCipherSuite {
    static SUITE: LazyLock<Tls13CipherSuite> = LazyLock::new(|| {
        let ring = TLS13_CHACHA20_POLY1305_SHA256
            .tls13()
            .expect("a suite of TLS 1.3");
        Tls13CipherSuite {
            common: CipherSuiteCommon {
                suite: ring.common.suite,
                hash_provider: ring.common.hash_provider,
                confidentiality_limit: ring.common.confidentiality_limit,
            },
            hkdf_provider: ring.hkdf_provider,
            aead_alg: ring.aead_alg,
            quic: ring.quic.map(|_| &Vectors as &dyn Algorithm),
        }
    });
    SupportedCipherSuite::Tls13(&SUITE)
}

struct Vectors;

fn ring() -> &'static dyn Algorithm {
    TLS13_CHACHA20_POLY1305_SHA256
        .tls13()
        .and_then(|suite| suite.quic)
        .expect("a TLS 1.3 suite of ring serves QUIC")
}

impl Algorithm for Vectors {
    fn packet_key(&self, key: AeadKey, iv: Iv) -> Box<dyn PacketKey> {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        bytes.copy_from_slice(key.as_ref());
        let key = ChaCha20Poly1305::new(&bytes);
        Box::new(Key { key, iv })
    }

    fn header_protection_key(&self, key: AeadKey) -> Box<dyn HeaderProtectionKey> {
        ring().header_protection_key(key)
    }

    fn aead_key_len(&self) -> usize {
        ring().aead_key_len()
    }
}

struct Key {
    key: ChaCha20Poly1305,
    iv: Iv,
}

impl Key {
    fn seal(&self, nonce: Nonce, header: &[u8], payload: &mut [u8]) -> Tag {
        Tag::from(&self.key.seal(&nonce.0, header, payload)[..])
    }

    fn open<'a>(
        &self,
        nonce: Nonce,
        header: &[u8],
        payload: &'a mut [u8],
    ) -> Result<&'a [u8], Error> {
        let (data, tag) = payload
            .split_last_chunk_mut::<TAG>()
            .ok_or(Error::DecryptError)?;
        match self.key.open(&nonce.0, header, data, tag) {
            true => Ok(data),
            false => Err(Error::DecryptError),
        }
    }
}

impl PacketKey for Key {
    fn encrypt_in_place(
        &self,
        packet_number: u64,
        header: &[u8],
        payload: &mut [u8],
    ) -> Result<Tag, Error> {
        Ok(self.seal(Nonce::new(&self.iv, packet_number), header, payload))
    }

    fn encrypt_in_place_for_path(
        &self,
        path_id: u32,
        packet_number: u64,
        header: &[u8],
        payload: &mut [u8],
    ) -> Result<Tag, Error> {
        let nonce = Nonce::for_path(path_id, &self.iv, packet_number);
        Ok(self.seal(nonce, header, payload))
    }

    fn decrypt_in_place<'a>(
        &self,
        packet_number: u64,
        header: &[u8],
        payload: &'a mut [u8],
    ) -> Result<&'a [u8], Error> {
        self.open(Nonce::new(&self.iv, packet_number), header, payload)
    }

    fn decrypt_in_place_for_path<'a>(
        &self,
        path_id: u32,
        packet_number: u64,
        header: &[u8],
        payload: &'a mut [u8],
    ) -> Result<&'a [u8], Error> {
        let nonce = Nonce::for_path(path_id, &self.iv, packet_number);
        self.open(nonce, header, payload)
    }

    fn tag_len(&self) -> usize {
        TAG
    }

    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }

    /// [RFC 9001 § 6.6](https://www.rfc-editor.org/rfc/rfc9001#section-6.6)
    fn integrity_limit(&self) -> u64 {
        1 << 36
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn keys() -> [Box<dyn PacketKey>; 2] {
        let ours: &dyn Algorithm = &Vectors;
        [ours, ring()].map(|algorithm| {
            let key = AeadKey::from(*b"a key of thirty-two bytes or so!");
            algorithm.packet_key(key, Iv::from(*b"twelve bytes"))
        })
    }

    fn packet(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 + at / 256) as u8).collect()
    }

    #[test]
    fn packets_of_every_length_are_sealed_as_ring_seals_them_and_opened_again() {
        let [ours, ring] = keys();
        for length in (0..=1500).chain([4096, 65_000]) {
            let (number, header) = (length as u64 * 0x1_0000_0001, packet(length % 40));
            let path = (length % 3) as u32;
            let [mut sealed, mut expected] = [packet(length), packet(length)];
            let tag = ours
                .encrypt_in_place_for_path(path, number, &header, &mut sealed)
                .expect("sealed");
            let expected_tag = ring
                .encrypt_in_place_for_path(path, number, &header, &mut expected)
                .expect("sealed");
            sealed.extend_from_slice(tag.as_ref());
            expected.extend_from_slice(expected_tag.as_ref());
            assert_eq!(sealed, expected, "{length} bytes");
            let opened = ours.decrypt_in_place_for_path(path, number, &header, &mut sealed);
            assert_eq!(opened.expect("opened"), packet(length));
        }
    }

    #[test]
    fn a_packet_with_any_bit_changed_is_refused_and_left_as_it_is() {
        let [ours, _] = keys();
        let header = packet(13);
        let mut sealed = packet(300);
        let tag = ours
            .encrypt_in_place(7, &header, &mut sealed)
            .expect("sealed");
        sealed.extend_from_slice(tag.as_ref());
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let before = forged.clone();
            assert!(ours.decrypt_in_place(7, &header, &mut forged).is_err());
            assert_eq!(forged, before);
        }
        assert!(ours.decrypt_in_place(8, &header, &mut sealed).is_err());
        assert!(ours.decrypt_in_place(7, &header[1..], &mut sealed).is_err());
        assert!(
            ours.decrypt_in_place(7, &header, &mut sealed[..15])
                .is_err()
        );
        assert!(ours.decrypt_in_place(7, &header, &mut sealed).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_the_key_and_the_packet_what_one_seals_the_other_opens(
            key: [u8; 32],
            iv: [u8; 12],
            path: u32,
            number in 0..1_u64 << 62,
            header in vec(any::<u8>(), 0..80),
            packet in vec(any::<u8>(), 0..1600),
            flipped: Index,
        ) {
            let algorithms: [&dyn Algorithm; 2] = [&Vectors, ring()];
            let keys = algorithms.map(|each| each.packet_key(AeadKey::from(key), Iv::from(iv)));
            for [seals, opens] in [[0, 1], [1, 0]] {
                let mut sealed = packet.clone();
                let tag = keys[seals].encrypt_in_place_for_path(path, number, &header, &mut sealed);
                sealed.extend_from_slice(tag.expect("sealed").as_ref());
                let mut forged = sealed.clone();
                let bit = flipped.index(forged.len() * 8);
                forged[bit / 8] ^= 1 << (bit % 8);
                let opened = keys[opens].decrypt_in_place_for_path(path, number, &header, &mut forged);
                prop_assert!(opened.is_err());
                let opened = keys[opens].decrypt_in_place_for_path(path, number, &header, &mut sealed);
                prop_assert_eq!(opened.expect("opened"), &packet[..]);
            }
        }
    }
}
