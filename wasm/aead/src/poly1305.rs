//! Poly1305 ([RFC 8439 § 2.5]) of data that is padded to whole blocks, as the AEAD has it.
//!
//! Five limbs of 26 bits, because WebAssembly multiplies into 64 bits at most. Two blocks are absorbed at once:
//! `((h + a) * r + b) * r` is `(h + a) * r² + b * r`, in which the second product need not wait for the first.
//!
//! [RFC 8439 § 2.5]: https://www.rfc-editor.org/rfc/rfc8439#section-2.5

/// A number below about 2^131: five limbs, the least significant first.
type Limbs = [u64; 5];

const LIMB: u64 = (1 << 26) - 1;

/// A factor, and five times it: 2^130 is 5 modulo the prime.
#[derive(Clone, Copy)]
struct Factor {
    limbs: Limbs,
    times_5: Limbs,
}

impl Factor {
    fn new(limbs: Limbs) -> Self {
        let times_5 = limbs.map(|limb| limb * 5);
        Self { limbs, times_5 }
    }

    /// The product, each limb of which is a sum of five products of limbs.
    #[inline(always)]
    fn times(&self, [a0, a1, a2, a3, a4]: Limbs) -> Limbs {
        let [r0, r1, r2, r3, r4] = self.limbs;
        let [_, s1, s2, s3, s4] = self.times_5;
        [
            a0 * r0 + a1 * s4 + a2 * s3 + a3 * s2 + a4 * s1,
            a0 * r1 + a1 * r0 + a2 * s4 + a3 * s3 + a4 * s2,
            a0 * r2 + a1 * r1 + a2 * r0 + a3 * s4 + a4 * s3,
            a0 * r3 + a1 * r2 + a2 * r1 + a3 * r0 + a4 * s4,
            a0 * r4 + a1 * r3 + a2 * r2 + a3 * r1 + a4 * r0,
        ]
    }
}

/// A MAC under way.
pub(crate) struct Poly1305 {
    h: Limbs,
    r: Factor,
    r_squared: Factor,
    /// What is added at the end.
    s: u128,
}

impl Poly1305 {
    /// Begins with a key that is used for one message only.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let [r, s] = [0, 16].map(|at| {
            let mut half = [0; 16];
            half.copy_from_slice(&key[at..at + 16]);
            u128::from_le_bytes(half)
        });
        let r = limbs(r & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff);
        let factor = Factor::new(r);
        Self {
            h: [0; 5],
            r: factor,
            r_squared: Factor::new(carried(factor.times(r))),
            s,
        }
    }

    /// Absorbs data, and zeros up to the end of its last block.
    pub(crate) fn absorb_padded(&mut self, data: &[u8]) {
        let (blocks, rest) = data.as_chunks::<16>();
        let (pairs, last) = blocks.as_chunks::<2>();
        let mut h = self.h;
        for [a, b] in pairs {
            let first = self.r_squared.times(sum(h, block(a)));
            let second = self.r.times(block(b));
            h = carried(sum(first, second));
        }
        self.h = h;
        for block in last {
            self.absorb(block);
        }
        if !rest.is_empty() {
            let mut block = [0; 16];
            block[..rest.len()].copy_from_slice(rest);
            self.absorb(&block);
        }
    }

    /// Absorbs one block.
    pub(crate) fn absorb(&mut self, bytes: &[u8; 16]) {
        self.h = carried(self.r.times(sum(self.h, block(bytes))));
    }

    /// The tag.
    pub(crate) fn tag(self) -> [u8; 16] {
        let h = carried(carried(self.h));
        // h + 5 reaches 2^130 just when h is not below the prime, and is h less the prime then.
        let mut reduced = h;
        reduced[0] += 5;
        let mut carry = 0;
        for limb in &mut reduced {
            *limb += carry;
            carry = *limb >> 26;
            *limb &= LIMB;
        }
        let keep = carry.wrapping_sub(1);
        let mut value = 0_u128;
        for limb in (0..5).rev() {
            let chosen = (h[limb] & keep) | (reduced[limb] & !keep);
            value = (value << 26) | u128::from(chosen);
        }
        value.wrapping_add(self.s).to_le_bytes()
    }
}

/// A block with the bit behind its end.
#[inline(always)]
fn block(bytes: &[u8; 16]) -> Limbs {
    let mut limbs = limbs(u128::from_le_bytes(*bytes));
    limbs[4] |= 1 << 24;
    limbs
}

#[inline(always)]
fn limbs(value: u128) -> Limbs {
    let (low, high) = (value as u64, (value >> 64) as u64);
    [
        low & LIMB,
        (low >> 26) & LIMB,
        (low >> 52) | (high << 12) & LIMB,
        (high >> 14) & LIMB,
        high >> 40,
    ]
}

#[inline(always)]
fn sum(a: Limbs, b: Limbs) -> Limbs {
    [
        a[0] + b[0],
        a[1] + b[1],
        a[2] + b[2],
        a[3] + b[3],
        a[4] + b[4],
    ]
}

/// The same number with limbs of 26 bits, the second of which may be a little longer.
#[inline(always)]
fn carried([mut a0, mut a1, mut a2, mut a3, mut a4]: Limbs) -> Limbs {
    a1 += a0 >> 26;
    a0 &= LIMB;
    a2 += a1 >> 26;
    a1 &= LIMB;
    a3 += a2 >> 26;
    a2 &= LIMB;
    a4 += a3 >> 26;
    a3 &= LIMB;
    a0 += (a4 >> 26) * 5;
    a4 &= LIMB;
    a1 += a0 >> 26;
    a0 &= LIMB;
    [a0, a1, a2, a3, a4]
}

#[cfg(test)]
mod tests;
