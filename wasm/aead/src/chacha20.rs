//! ChaCha20 ([RFC 8439 § 2.4]), four blocks at once.
//!
//! *ring* has no vector code for WebAssembly, where its ChaCha20 was a third of what a packet cost. Here each of
//! the sixteen words of the state is a vector with that word of four consecutive blocks, so that every operation
//! of a round serves four blocks.
//!
//! [RFC 8439 § 2.4]: https://www.rfc-editor.org/rfc/rfc8439#section-2.4

use zeroize::Zeroizing;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// Bytes of the blocks that are made at once.
pub(crate) const BATCH: usize = 4 * BLOCK;

/// The constant words: "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// A key.
pub(crate) struct ChaCha20(Zeroizing<[u32; 8]>);

impl ChaCha20 {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Zeroizing::new(words(key)))
    }

    /// XORs the key stream from block `counter` on into `data`.
    pub(crate) fn apply(&self, nonce: &[u8; 12], counter: u32, data: &mut [u8]) {
        let counters = (counter..).step_by(BATCH / BLOCK);
        for (piece, counter) in data.chunks_mut(BATCH).zip(counters) {
            xor(piece, &self.key_stream(nonce, counter));
        }
    }

    /// The four blocks of the key stream from block `counter` on.
    pub(crate) fn key_stream(&self, nonce: &[u8; 12], counter: u32) -> [u8; BATCH] {
        let mut start = [Lanes::splat(0); 16];
        let nonce = words::<12, 3>(nonce);
        let fixed = CONSTANTS.iter().chain(self.0.iter());
        for (lanes, word) in start.iter_mut().zip(fixed) {
            *lanes = Lanes::splat(*word);
        }
        start[12] = Lanes::counting_from(counter);
        for (lanes, word) in start[13..].iter_mut().zip(nonce) {
            *lanes = Lanes::splat(word);
        }
        let mut state = start;
        for _ in 0..10 {
            double_round(&mut state);
        }
        let mut stream = [0; BATCH];
        for row in 0..4 {
            let at = row * 4;
            let sum = |word: usize| state[at + word].add(start[at + word]);
            let blocks = Lanes::transpose([sum(0), sum(1), sum(2), sum(3)]);
            for (block, lanes) in blocks.into_iter().enumerate() {
                let from = block * BLOCK + at * 4;
                stream[from..from + 16].copy_from_slice(&lanes.to_le_bytes());
            }
        }
        stream
    }
}

/// XORs as much of `stream` into `data` as `data` is long.
pub(crate) fn xor(data: &mut [u8], stream: &[u8]) {
    for (byte, key) in data.iter_mut().zip(stream) {
        *byte ^= key;
    }
}

fn words<const BYTES: usize, const WORDS: usize>(bytes: &[u8; BYTES]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// [RFC 8439 § 2.3](https://www.rfc-editor.org/rfc/rfc8439#section-2.3): the columns, then the diagonals.
///
/// Without loops, so that the state stays in registers.
#[inline(always)]
fn double_round(state: &mut [Lanes; 16]) {
    quarter_round::<0, 4, 8, 12>(state);
    quarter_round::<1, 5, 9, 13>(state);
    quarter_round::<2, 6, 10, 14>(state);
    quarter_round::<3, 7, 11, 15>(state);
    quarter_round::<0, 5, 10, 15>(state);
    quarter_round::<1, 6, 11, 12>(state);
    quarter_round::<2, 7, 8, 13>(state);
    quarter_round::<3, 4, 9, 14>(state);
}

#[inline(always)]
fn quarter_round<const A: usize, const B: usize, const C: usize, const D: usize>(
    state: &mut [Lanes; 16],
) {
    state[A] = state[A].add(state[B]);
    state[D] = state[D].xor(state[A]).rotate_16();
    state[C] = state[C].add(state[D]);
    state[B] = state[B].xor(state[C]).rotate::<12>();
    state[A] = state[A].add(state[B]);
    state[D] = state[D].xor(state[A]).rotate_8();
    state[C] = state[C].add(state[D]);
    state[B] = state[B].xor(state[C]).rotate::<7>();
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use simd::Lanes;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use portable::Lanes;

/// WebAssembly's vectors.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd {
    use core::arch::wasm32::*;

    #[derive(Clone, Copy)]
    pub(super) struct Lanes(v128);

    impl Lanes {
        #[inline(always)]
        pub(super) fn splat(word: u32) -> Self {
            Self(u32x4_splat(word))
        }

        #[inline(always)]
        pub(super) fn counting_from(first: u32) -> Self {
            Self(u32x4_add(u32x4_splat(first), u32x4(0, 1, 2, 3)))
        }

        #[inline(always)]
        pub(super) fn add(self, other: Self) -> Self {
            Self(u32x4_add(self.0, other.0))
        }

        #[inline(always)]
        pub(super) fn xor(self, other: Self) -> Self {
            Self(v128_xor(self.0, other.0))
        }

        #[inline(always)]
        pub(super) fn rotate<const LEFT: u32>(self) -> Self {
            Self(v128_or(
                u32x4_shl(self.0, LEFT),
                u32x4_shr(self.0, 32 - LEFT),
            ))
        }

        /// By whole bytes, which is one instruction.
        #[inline(always)]
        pub(super) fn rotate_16(self) -> Self {
            Self(i8x16_shuffle::<
                2,
                3,
                0,
                1,
                6,
                7,
                4,
                5,
                10,
                11,
                8,
                9,
                14,
                15,
                12,
                13,
            >(self.0, self.0))
        }

        #[inline(always)]
        pub(super) fn rotate_8(self) -> Self {
            Self(i8x16_shuffle::<
                3,
                0,
                1,
                2,
                7,
                4,
                5,
                6,
                11,
                8,
                9,
                10,
                15,
                12,
                13,
                14,
            >(self.0, self.0))
        }

        /// Rows become columns.
        #[inline(always)]
        pub(super) fn transpose([a, b, c, d]: [Self; 4]) -> [Self; 4] {
            let ab_low = i32x4_shuffle::<0, 4, 1, 5>(a.0, b.0);
            let ab_high = i32x4_shuffle::<2, 6, 3, 7>(a.0, b.0);
            let cd_low = i32x4_shuffle::<0, 4, 1, 5>(c.0, d.0);
            let cd_high = i32x4_shuffle::<2, 6, 3, 7>(c.0, d.0);
            [
                Self(i64x2_shuffle::<0, 2>(ab_low, cd_low)),
                Self(i64x2_shuffle::<1, 3>(ab_low, cd_low)),
                Self(i64x2_shuffle::<0, 2>(ab_high, cd_high)),
                Self(i64x2_shuffle::<1, 3>(ab_high, cd_high)),
            ]
        }

        #[inline(always)]
        pub(super) fn to_le_bytes(self) -> [u8; 16] {
            let [low, high] = [
                u64x2_extract_lane::<0>(self.0).to_le_bytes(),
                u64x2_extract_lane::<1>(self.0).to_le_bytes(),
            ];
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&low);
            bytes[8..].copy_from_slice(&high);
            bytes
        }
    }
}

/// The same for whatever else the crate is tested on.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod portable {
    #[derive(Clone, Copy)]
    pub(super) struct Lanes([u32; 4]);

    impl Lanes {
        pub(super) fn splat(word: u32) -> Self {
            Self([word; 4])
        }

        pub(super) fn counting_from(first: u32) -> Self {
            Self([0, 1, 2, 3].map(|more| first.wrapping_add(more)))
        }

        #[inline(always)]
        pub(super) fn add(self, other: Self) -> Self {
            Self(std::array::from_fn(|lane| {
                self.0[lane].wrapping_add(other.0[lane])
            }))
        }

        #[inline(always)]
        pub(super) fn xor(self, other: Self) -> Self {
            Self(std::array::from_fn(|lane| self.0[lane] ^ other.0[lane]))
        }

        #[inline(always)]
        pub(super) fn rotate<const LEFT: u32>(self) -> Self {
            Self(self.0.map(|word| word.rotate_left(LEFT)))
        }

        #[inline(always)]
        pub(super) fn rotate_16(self) -> Self {
            self.rotate::<16>()
        }

        #[inline(always)]
        pub(super) fn rotate_8(self) -> Self {
            self.rotate::<8>()
        }

        pub(super) fn transpose(rows: [Self; 4]) -> [Self; 4] {
            std::array::from_fn(|lane| Self(rows.map(|row| row.0[lane])))
        }

        pub(super) fn to_le_bytes(self) -> [u8; 16] {
            let mut bytes = [0; 16];
            for (bytes, word) in bytes.chunks_exact_mut(4).zip(self.0) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [RFC 8439 appendix A.1](https://www.rfc-editor.org/rfc/rfc8439#appendix-A.1), number 1.
    #[test]
    fn the_key_stream_of_zeros_is_the_rfcs() {
        let stream = ChaCha20::new(&[0; 32]).key_stream(&[0; 12], 0);
        let first = [
            0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86,
            0xbd, 0x28,
        ];
        assert_eq!(stream[..16], first);
    }

    /// [RFC 8439 § 2.4.2](https://www.rfc-editor.org/rfc/rfc8439#section-2.4.2)
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let key = std::array::from_fn(|at| at as u8);
        let nonce = [0, 0, 0, 0, 0, 0, 0, 0x4a, 0, 0, 0, 0];
        let mut data =
            *b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
            for the future, sunscreen would be it.";
        ChaCha20::new(&key).apply(&nonce, 1, &mut data);
        let (first, last) = (&data[..8], &data[data.len() - 10..]);
        assert_eq!(first, [0x6e, 0x2e, 0x35, 0x9a, 0x25, 0x68, 0xf9, 0x80]);
        assert_eq!(
            last,
            [0xb4, 0x0b, 0x8e, 0xed, 0xf2, 0x78, 0x5e, 0x42, 0x87, 0x4d]
        );
    }

    #[test]
    fn a_batch_is_what_four_single_blocks_are_and_ends_within_one() {
        let cipher = ChaCha20::new(&[3; 32]);
        let nonce = [9; 12];
        let blocks = (5..9).flat_map(|counter| {
            let stream = cipher.key_stream(&nonce, counter);
            stream.into_iter().take(BLOCK)
        });
        assert!(cipher.key_stream(&nonce, 5).into_iter().eq(blocks));
        let mut whole = [0; 3 * BATCH];
        cipher.apply(&nonce, 5, &mut whole);
        for length in 0..whole.len() {
            let mut part = vec![0; length];
            cipher.apply(&nonce, 5, &mut part);
            assert_eq!(part, whole[..length]);
        }
    }
}
