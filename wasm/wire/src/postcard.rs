//! The parts of postcard's wire format that tickets and relays use: variable-length integers and byte
//! strings.
//!
//! An unsigned integer is written seven bits at a time, the least significant first, with the top
//! bit set on all but the last byte. `serde`, and the generic code that it brings, is not worth its
//! size in WebAssembly for one message.

use thiserror::Error;

/// Why postcard bytes can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum PostcardError {
    #[error("the bytes end early")]
    Truncated,
    #[error("an integer does not fit its type")]
    Varint,
}

/// Reads from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], PostcardError> {
        let (head, tail) = self
            .0
            .split_at_checked(length)
            .ok_or(PostcardError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], PostcardError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(PostcardError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, PostcardError> {
        self.varint(3)?
            .try_into()
            .map_err(|_| PostcardError::Varint)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, PostcardError> {
        self.varint(5)?
            .try_into()
            .map_err(|_| PostcardError::Varint)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, PostcardError> {
        self.varint(10)
    }

    /// A length or a count, as postcard on a 64-bit machine writes it.
    pub(crate) fn length(&mut self) -> Result<usize, PostcardError> {
        self.u64()?.try_into().map_err(|_| PostcardError::Varint)
    }

    fn varint(&mut self, longest: u32) -> Result<u64, PostcardError> {
        let mut value = 0u64;
        for index in 0..longest {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                return Err(PostcardError::Varint);
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(PostcardError::Varint)
    }
}

/// Appends `value` as a postcard integer of any width.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a byte string: its length, then the bytes.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_integer_too_wide_for_its_type_is_refused() {
        let read = |bytes: &'static [u8]| Decoder::new(bytes);
        assert_eq!(read(&[0xff, 0xff, 0x03]).u16(), Ok(u16::MAX));
        assert_eq!(read(&[0xff, 0xff, 0x04]).u16(), Err(PostcardError::Varint));
        assert_eq!(
            read(&[0x80, 0x80, 0x80, 0x00]).u16(),
            Err(PostcardError::Varint)
        );
        assert_eq!(read(&[0x80]).u16(), Err(PostcardError::Truncated));
        let eleven = [0xff; 11];
        assert_eq!(Decoder::new(&eleven).u64(), Err(PostcardError::Varint));
    }

    proptest! {
        #[test]
        fn every_integer_reads_back(value: u64) {
            let mut out = Vec::new();
            put_varint(value, &mut out);
            let mut decoder = Decoder::new(&out);
            prop_assert_eq!(decoder.u64(), Ok(value));
            prop_assert!(decoder.rest().is_empty());
        }
    }
}
