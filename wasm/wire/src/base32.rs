//! Base32 without padding [RFC 4648 § 6], in the three alphabets that the iroh wire uses.

use thiserror::Error;

/// An alphabet of 32 lower-case symbols.
#[derive(Debug, Clone, Copy)]
pub struct Alphabet {
    symbols: &'static [u8; 32],
    any_case: bool,
}

/// The alphabet of RFC 4648 § 6, written in lower case and read in either case.
pub const BASE32: Alphabet = Alphabet {
    symbols: b"abcdefghijklmnopqrstuvwxyz234567",
    any_case: true,
};

/// "Extended hex", RFC 4648 § 7, written in lower case and read in either case, as DNSSEC uses it.
pub const BASE32_DNSSEC: Alphabet = Alphabet {
    symbols: b"0123456789abcdefghijklmnopqrstuv",
    any_case: true,
};

/// z-base-32, read in lower case only, as pkarr uses it.
pub const Z_BASE_32: Alphabet = Alphabet {
    symbols: b"ybndrfg8ejkmcpqxot1uwisza345h769",
    any_case: false,
};

/// Why a text is not base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Base32Error {
    /// A character outside the alphabet.
    #[error("byte {position} is not a base32 character")]
    Character {
        /// Where it stands, in bytes from the start of the base32 part.
        position: usize,
    },
    /// No whole number of bytes encodes to this many characters.
    #[error("{length} characters are no whole number of bytes in base32")]
    Length {
        /// How many characters there were.
        length: usize,
    },
    /// The unused bits of the last character are not zero, so that two texts would mean the same.
    #[error("the unused bits of the last base32 character are not zero")]
    TrailingBits,
}

impl Alphabet {
    fn value(&self, character: u8) -> Option<u32> {
        let character = if self.any_case {
            character.to_ascii_lowercase()
        } else {
            character
        };
        let index = self.symbols.iter().position(|s| *s == character)?;
        u32::try_from(index).ok()
    }

    /// Appends `bytes` as text.
    pub fn encode_into(&self, bytes: &[u8], out: &mut String) {
        out.reserve(encoded_len(bytes.len()));
        let (mut bits, mut held) = (0u32, 0u32);
        for byte in bytes {
            bits = (bits << 8) | u32::from(*byte);
            held += 8;
            while held >= 5 {
                held -= 5;
                out.push(self.symbol(bits >> held));
            }
        }
        if held > 0 {
            out.push(self.symbol(bits << (5 - held)));
        }
    }

    /// `bytes` as text.
    pub fn encode(&self, bytes: &[u8]) -> String {
        let mut out = String::new();
        self.encode_into(bytes, &mut out);
        out
    }

    fn symbol(&self, bits: u32) -> char {
        char::from(self.symbols[(bits & 31) as usize])
    }

    /// The bytes that `text` stands for.
    ///
    /// # Errors
    /// Each [`Base32Error`]; the first fault from the left is reported, a wrong length before all.
    pub fn decode(&self, text: &[u8]) -> Result<Vec<u8>, Base32Error> {
        // Only 2, 4, 5 and 7 characters can follow the last whole group [RFC 4648 § 6].
        if matches!(text.len() % 8, 1 | 3 | 6) {
            return Err(Base32Error::Length { length: text.len() });
        }
        let mut out = Vec::with_capacity(text.len() * 5 / 8);
        let (mut bits, mut held) = (0u32, 0u32);
        for (position, character) in text.iter().enumerate() {
            let value = self
                .value(*character)
                .ok_or(Base32Error::Character { position })?;
            bits = ((bits << 5) | value) & 0xfff;
            held += 5;
            if held >= 8 {
                held -= 8;
                out.push((bits >> held) as u8);
            }
        }
        if bits & ((1 << held) - 1) != 0 {
            return Err(Base32Error::TrailingBits);
        }
        Ok(out)
    }
}

/// How many characters `bytes` bytes become.
pub const fn encoded_len(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vectors_of_rfc_4648_hold() {
        let vectors = [
            ("", "", ""),
            ("f", "my", "co"),
            ("fo", "mzxq", "cpng"),
            ("foo", "mzxw6", "cpnmu"),
            ("foob", "mzxw6yq", "cpnmuog"),
            ("fooba", "mzxw6ytb", "cpnmuoj1"),
            ("foobar", "mzxw6ytboi", "cpnmuoj1e8"),
        ];
        for (plain, base32, extended_hex) in vectors {
            assert_eq!(BASE32.encode(plain.as_bytes()), base32);
            assert_eq!(BASE32_DNSSEC.encode(plain.as_bytes()), extended_hex);
            assert_eq!(BASE32.decode(base32.as_bytes()), Ok(plain.into()));
            let upper = base32.to_uppercase();
            assert_eq!(BASE32.decode(upper.as_bytes()), Ok(plain.into()));
        }
    }

    #[test]
    fn each_fault_has_its_own_error() {
        let length = Base32Error::Length { length: 3 };
        assert_eq!(BASE32.decode(b"mzx"), Err(length));
        let character = Base32Error::Character { position: 2 };
        assert_eq!(BASE32.decode(b"mz1q"), Err(character));
        assert_eq!(BASE32.decode(b"mz"), Err(Base32Error::TrailingBits));
        let upper = Base32Error::Character { position: 0 };
        assert_eq!(Z_BASE_32.decode(b"YY"), Err(upper));
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_decodes_to_itself(bytes in any::<Vec<u8>>()) {
            for alphabet in [BASE32, BASE32_DNSSEC, Z_BASE_32] {
                let text = alphabet.encode(&bytes);
                prop_assert_eq!(text.len(), encoded_len(bytes.len()));
                prop_assert_eq!(alphabet.decode(text.as_bytes()), Ok(bytes.clone()));
            }
        }
    }
}
