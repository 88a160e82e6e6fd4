//! QUIC's variable-length integers [RFC 9000 § 16].

/// The largest value that the encoding has room for.
pub const MAX_VARINT: u64 = (1 << 62) - 1;

/// The number at the start of `bytes` and what follows it; `None` when they end within it.
///
/// Longer encodings than a number needs are as good as the shortest.
pub fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let (encoded, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    let number = encoded[1..]
        .iter()
        .fold(u64::from(first & 0x3f), |number, byte| {
            (number << 8) | u64::from(*byte)
        });
    Some((number, rest))
}

/// Appends the shortest encoding of `number`; one above [`MAX_VARINT`] is written as that.
pub fn write_varint(number: u64, out: &mut Vec<u8>) {
    let number = number.min(MAX_VARINT);
    let bytes = number.to_be_bytes();
    let (length, prefix) = match number {
        0..=0x3f => (1, 0x00),
        0x40..=0x3fff => (2, 0x40),
        0x4000..=0x3fff_ffff => (4, 0x80),
        _ => (8, 0xc0),
    };
    let start = out.len();
    out.extend_from_slice(&bytes[8 - length..]);
    out[start] |= prefix;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_9000_appendix_a_1_are_read() {
        let examples: [(&[u8], u64); 5] = [
            (
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
                151_288_809_941_952_652,
            ),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ];
        for (bytes, number) in examples {
            assert_eq!(read_varint(bytes), Some((number, &[][..])));
            assert_eq!(read_varint(&bytes[..bytes.len() - 1]), None);
        }
    }

    proptest! {
        #[test]
        fn every_number_reads_back(number in 0..=MAX_VARINT, rest: Vec<u8>) {
            let mut out = Vec::new();
            write_varint(number, &mut out);
            out.extend(&rest);
            prop_assert_eq!(read_varint(&out), Some((number, &rest[..])));
        }
    }
}
