use super::*;

fn tag(r: u128, s: u128, blocks: &[u128]) -> u128 {
    let mut key = [0; 32];
    key[..16].copy_from_slice(&r.to_le_bytes());
    key[16..].copy_from_slice(&s.to_le_bytes());
    let mut mac = Poly1305::new(&key);
    let data: Vec<u8> = blocks
        .iter()
        .flat_map(|block| block.to_le_bytes())
        .collect();
    mac.absorb_padded(&data);
    u128::from_le_bytes(mac.tag())
}

/// [RFC 8439 appendix A.3](https://www.rfc-editor.org/rfc/rfc8439#appendix-A.3), numbers 7 to 11.
#[test]
fn the_carries_of_the_rfcs_hard_cases_go_through() {
    const ONES: u128 = u128::MAX;
    assert_eq!(tag(2, 0, &[ONES]), 3);
    assert_eq!(tag(2, ONES, &[2]), 3);
    assert_eq!(tag(1, 0, &[ONES, ONES - 0xf, 0x11]), 5);
    let bytes_of_1 = u128::from_le_bytes([1; 16]);
    assert_eq!(tag(1, 0, &[ONES, ONES - bytes_of_1 - 3, bytes_of_1]), 0);
    assert_eq!(tag(2, 0, &[ONES - 2]), ONES - 5);
}

#[test]
fn pairs_of_blocks_come_to_the_same_as_single_ones() {
    let data: Vec<u8> = (0..2048_u32).map(|at| (at * at / 7) as u8).collect();
    let key: [u8; 32] = std::array::from_fn(|at| 255 - at as u8);
    for blocks in 0..128 {
        let [mut pairs, mut singles] = [Poly1305::new(&key), Poly1305::new(&key)];
        pairs.absorb_padded(&data[..blocks * 16]);
        for block in data[..blocks * 16].as_chunks::<16>().0 {
            singles.absorb(block);
        }
        assert_eq!(pairs.tag(), singles.tag());
    }
}

/// Numbers modulo the prime, as a low and a high half.
type Number = (u128, u128);

const PRIME: Number = (u128::MAX - 4, 3);

fn plus(a: Number, b: Number) -> Number {
    let (low, carry) = a.0.overflowing_add(b.0);
    let mut sum = (low, a.1 + b.1 + u128::from(carry));
    while (sum.1, sum.0) >= (PRIME.1, PRIME.0) {
        let (low, borrow) = sum.0.overflowing_sub(PRIME.0);
        sum = (low, sum.1 - PRIME.1 - u128::from(borrow));
    }
    sum
}

/// Bit by bit, which leaves no limbs to carry between.
fn slow_tag(r: u128, s: u128, blocks: &[u128]) -> u128 {
    let r = r & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
    let mut h = (0, 0);
    for block in blocks {
        let factor = plus(h, (*block, 1));
        h = (0, 0);
        for bit in (0..128).rev() {
            h = plus(h, h);
            if (r >> bit) & 1 == 1 {
                h = plus(h, factor);
            }
        }
    }
    h.0.wrapping_add(s)
}

#[test]
fn blocks_and_keys_that_fill_or_empty_limbs_give_the_tags_of_slow_arithmetic() {
    // Around the prime, around a power of two, limbs of ones between limbs of zeros, and none.
    let limbs_of_ones = ((1 << 26) - 1) | (((1 << 26) - 1) << 52) | (((1 << 24) - 1) << 104);
    let edges = [
        0,
        1,
        4,
        5,
        u128::MAX,
        u128::MAX - 4,
        u128::MAX - 5,
        1 << 127,
        limbs_of_ones,
        !limbs_of_ones,
    ];
    for r in edges {
        for first in edges {
            for second in edges {
                for third in edges {
                    let blocks = [first, second, third];
                    let s = first ^ r;
                    assert_eq!(tag(r, s, &blocks), slow_tag(r, s, &blocks));
                }
            }
        }
    }
}

#[test]
fn the_largest_key_and_blocks_overflow_no_limb_however_many_there_are() {
    for count in 0..200 {
        let blocks = vec![u128::MAX; count];
        let r = u128::MAX;
        assert_eq!(tag(r, r, &blocks), slow_tag(r, r, &blocks));
    }
}
