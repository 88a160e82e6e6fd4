//! Bounds-checked reading of the boundary's primitives: little-endian numbers, as WebAssembly's
//! memory and JavaScript's typed arrays have them, and byte strings behind their length.

use thiserror::Error;

/// Why a value can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The bytes end before the value does.
    #[error("{needed} bytes needed at offset {offset}, {left} left")]
    Bounds {
        /// Where the value begins, from the start of what the reader was given.
        offset: usize,
        /// How many bytes it takes.
        needed: usize,
        /// How many there are.
        left: usize,
    },
    /// A string is not UTF-8.
    #[error("the string at offset {offset} is not UTF-8")]
    Utf8 {
        /// Where its first byte is.
        offset: usize,
    },
    /// Bytes are left where there must be none.
    #[error("{count} bytes left over at offset {offset}")]
    Trailing {
        /// Where they begin.
        offset: usize,
        /// How many.
        count: usize,
    },
}

/// Reads values one after another from a slice. After an error it stands where it stood before.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader of the whole of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// How many bytes were read.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What was not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether everything was read.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`ReadError::Trailing`] when something is left.
    pub const fn finish(self) -> Result<(), ReadError> {
        match self.bytes.len() {
            0 => Ok(()),
            count => Err(ReadError::Trailing {
                offset: self.offset,
                count,
            }),
        }
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`ReadError::Bounds`] when there are fewer; so for every method below.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (head, tail) = self
            .bytes
            .split_at_checked(length)
            .ok_or(ReadError::Bounds {
                offset: self.offset,
                needed: length,
                left: self.bytes.len(),
            })?;
        self.bytes = tail;
        self.offset += length;
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, ReadError> {
        self.array().map(u8::from_le_bytes)
    }

    /// Two bytes, the least significant first.
    pub fn u16(&mut self) -> Result<u16, ReadError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, the least significant first.
    pub fn u32(&mut self) -> Result<u32, ReadError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, the least significant first.
    pub fn u64(&mut self) -> Result<u64, ReadError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A 64-bit floating point number, the least significant byte first. It may be NaN.
    pub fn f64(&mut self) -> Result<f64, ReadError> {
        self.array().map(f64::from_le_bytes)
    }

    /// A byte string: its length as a u8, then the bytes.
    pub fn bytes8(&mut self) -> Result<&'a [u8], ReadError> {
        self.prefixed(|ahead| ahead.u8().map(usize::from))
    }

    /// A byte string: its length as a u16, then the bytes.
    pub fn bytes16(&mut self) -> Result<&'a [u8], ReadError> {
        self.prefixed(|ahead| ahead.u16().map(usize::from))
    }

    /// A byte string: its length as a u32, then the bytes.
    pub fn bytes32(&mut self) -> Result<&'a [u8], ReadError> {
        self.prefixed(|ahead| ahead.u32().map(|length| length as usize))
    }

    /// A string in UTF-8: its length in bytes as a u16, then the bytes.
    ///
    /// # Errors
    /// [`ReadError::Utf8`] when it is not UTF-8, [`ReadError::Bounds`] as elsewhere.
    pub fn str16(&mut self) -> Result<&'a str, ReadError> {
        let mut ahead = self.clone();
        let bytes = ahead.bytes16()?;
        let offset = ahead.offset - bytes.len();
        let text = std::str::from_utf8(bytes).map_err(|_| ReadError::Utf8 { offset })?;
        *self = ahead;
        Ok(text)
    }

    fn prefixed(
        &mut self,
        length: impl FnOnce(&mut Self) -> Result<usize, ReadError>,
    ) -> Result<&'a [u8], ReadError> {
        let mut ahead = self.clone();
        let length = length(&mut ahead)?;
        let bytes = ahead.take(length)?;
        *self = ahead;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_beyond_the_end_is_an_error_and_nothing_is_consumed() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u8(), Ok(1));
        let bounds = ReadError::Bounds {
            offset: 1,
            needed: 4,
            left: 2,
        };
        assert_eq!(reader.u32(), Err(bounds));
        assert_eq!(reader.u16(), Ok(0x0302));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn a_string_that_claims_too_much_or_is_no_utf_8_is_an_error() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]);
        let bounds = ReadError::Bounds {
            offset: 4,
            needed: 0xffff_ffff,
            left: 1,
        };
        assert_eq!(reader.bytes32(), Err(bounds));
        assert_eq!(reader.offset(), 0);
        let mut reader = Reader::new(&[1, 0, 0xff]);
        assert_eq!(reader.str16(), Err(ReadError::Utf8 { offset: 2 }));
        assert_eq!(reader.bytes16(), Ok(&[0xff][..]));
    }

    #[test]
    fn leftover_bytes_are_an_error() {
        let trailing = ReadError::Trailing {
            offset: 0,
            count: 2,
        };
        assert_eq!(Reader::new(&[1, 2]).finish(), Err(trailing));
    }

    proptest! {
        #[test]
        fn every_value_reads_back(a: u8, b: u16, c: u32, d: u64, e: f64, text: String) {
            let mut out = vec![a];
            out.extend(b.to_le_bytes());
            out.extend(c.to_le_bytes());
            out.extend(d.to_le_bytes());
            out.extend(e.to_le_bytes());
            out.extend((text.len() as u16).to_le_bytes());
            out.extend(text.as_bytes());
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.u8(), Ok(a));
            prop_assert_eq!(reader.u16(), Ok(b));
            prop_assert_eq!(reader.u32(), Ok(c));
            prop_assert_eq!(reader.u64(), Ok(d));
            prop_assert_eq!(reader.f64().map(f64::to_bits), Ok(e.to_bits()));
            prop_assert_eq!(reader.str16(), Ok(text.as_str()));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }
}
