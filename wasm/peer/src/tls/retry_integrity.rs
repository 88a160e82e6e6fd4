//! The integrity tag of Retry packets ([RFC 9001 § 5.8]), for QUIC version 1.
//!
//! [RFC 9001 § 5.8]: https://www.rfc-editor.org/rfc/rfc9001#section-5.8

use ring::aead;

/// How many bytes the tag has.
pub(super) const TAG_LEN: usize = 16;

const KEY: [u8; 16] = [
    0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8, 0x4e,
];
const NONCE: [u8; aead::NONCE_LEN] = [
    0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
];

/// The tag of a Retry packet, given in pieces and without its tag, that answers an Initial packet sent to
/// `original_destination`.
pub(super) fn tag(original_destination: &[u8], packet: [&[u8]; 2]) -> [u8; TAG_LEN] {
    let id_len =
        u8::try_from(original_destination.len()).expect("a connection id has at most 20 bytes");
    let pseudo_packet = [&[id_len], original_destination, packet[0], packet[1]].concat();
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, &KEY).expect("16 bytes are a key");
    let tag = aead::LessSafeKey::new(key)
        .seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key(NONCE),
            aead::Aad::from(pseudo_packet),
            &mut [],
        )
        .expect("a Retry packet is far shorter than the limit of AES-GCM");
    let mut bytes = [0; TAG_LEN];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_rfc_9001_a_4_is_right() {
        let original = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        let packet = [
            0xff, 0x00, 0x00, 0x00, 0x01, 0x00, 0x08, 0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62,
            0xb5, 0x74, 0x6f, 0x6b, 0x65, 0x6e,
        ];
        let expected = [
            0x04, 0xa2, 0x65, 0xba, 0x2e, 0xff, 0x4d, 0x82, 0x90, 0x58, 0xfb, 0x3f, 0x0f, 0x24,
            0x96, 0xba,
        ];
        assert_eq!(tag(&original, [&packet[..4], &packet[4..]]), expected);
    }
}
