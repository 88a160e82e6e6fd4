//! Huffman's code for texts ([RFC 7541, appendix B](https://www.rfc-editor.org/rfc/rfc7541#appendix-B)).
//!
//! The code is canonical, so the lengths of its words are all there is to know: words of one length follow each other in the order of
//! their bytes, and after the last of a length come those of the next.

use super::QpackError;

/// How many bits the word of each byte has. The last word of 30 bits means the end, and is an error within a text.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

const LONGEST: usize = 30;

/// The code, ordered by the length of words.
struct Code {
    /// How many words of each length there are.
    counts: [u32; LONGEST + 1],
    /// The bytes that they stand for, in the order of the words.
    bytes: [u8; 256],
}

const CODE: Code = code();

const fn code() -> Code {
    let mut counts = [0; LONGEST + 1];
    let mut bytes = [0; 256];
    let (mut found, mut length) = (0, 1);
    while length <= LONGEST {
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                bytes[found] = byte as u8;
                found += 1;
                counts[length] += 1;
            }
            byte += 1;
        }
        length += 1;
    }
    Code { counts, bytes }
}

/// The text behind a code of at most `max_size` bytes.
///
/// # Errors
/// [`QpackError::Huffman`] when a word is none, or when more than seven bits, or others than ones, fill the last byte
/// ([RFC 7541 § 5.2]); [`QpackError::TooLarge`].
///
/// [RFC 7541 § 5.2]: https://www.rfc-editor.org/rfc/rfc7541#section-5.2
pub(super) fn decode(coded: &[u8], max_size: usize) -> Result<Vec<u8>, QpackError> {
    let mut text = Vec::new();
    // The word so far, the first word of its length, and how many words are shorter.
    let (mut word, mut first, mut shorter, mut length) = (0_u32, 0_u32, 0_u32, 0_usize);
    for byte in coded {
        for bit in (0..8).rev() {
            word = word << 1 | u32::from(byte >> bit & 1);
            first <<= 1;
            length += 1;
            let count = *CODE.counts.get(length).ok_or(QpackError::Huffman)?;
            if word - first < count {
                let at = (shorter + word - first) as usize;
                if text.len() == max_size {
                    return Err(QpackError::TooLarge);
                }
                text.push(*CODE.bytes.get(at).ok_or(QpackError::Huffman)?);
                (word, first, shorter, length) = (0, 0, 0, 0);
            } else {
                first += count;
                shorter += count;
            }
        }
    }
    let padding = (1 << length) - 1;
    match length < 8 && word == padding {
        true => Ok(text),
        false => Err(QpackError::Huffman),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The words, by byte.
    fn words() -> Vec<(u32, u8)> {
        let mut order: Vec<usize> = (0..256).collect();
        order.sort_by_key(|byte| (LENGTHS[*byte], *byte));
        let mut words = vec![(0, 0); 256];
        let (mut word, mut length) = (0_u32, LENGTHS[order[0]]);
        for byte in order {
            word <<= LENGTHS[byte] - length;
            length = LENGTHS[byte];
            words[byte] = (word, length);
            word += 1;
        }
        words
    }

    fn encode(text: &[u8]) -> Vec<u8> {
        let words = words();
        let mut bits: Vec<bool> = text
            .iter()
            .map(|byte| words[usize::from(*byte)])
            .flat_map(|(word, length)| (0..length).rev().map(move |bit| word >> bit & 1 == 1))
            .collect();
        bits.resize(bits.len().next_multiple_of(8), true);
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn some_words_are_those_of_the_rfc() {
        let words = words();
        for (byte, word) in [
            (b'0', (0x0, 5)),
            (b' ', (0x14, 6)),
            (b'z', (0x7b, 7)),
            (b'&', (0xf8, 8)),
            (b'\\', (0x7_fff0, 19)),
            (0, (0x1ff8, 13)),
            (22, (0x3fff_fffe, 30)),
        ] {
            assert_eq!(words[usize::from(byte)], word);
        }
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        let coded = [
            0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
        ];
        assert_eq!(decode(&coded, 15), Ok(b"www.example.com".to_vec()));
        assert_eq!(decode(&coded, 14), Err(QpackError::TooLarge));
    }

    #[test]
    fn wrong_padding_and_the_word_for_the_end_are_refused() {
        for coded in [&[0x00][..], &[0xff], &[0x07, 0xff], &[0xff; 4]] {
            assert_eq!(decode(coded, 100), Err(QpackError::Huffman), "{coded:x?}");
        }
        assert_eq!(decode(&[0x07], 100), Ok(b"0".to_vec()));
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&text), text.len()), Ok(text));
        }
    }
}
