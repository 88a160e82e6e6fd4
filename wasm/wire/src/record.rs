//! The records that cross the WebAssembly boundary, in one stream without gaps:
//!
//! ```text
//! kind(u8) id(u32) length(u32) payload(length bytes)
//! ```
//!
//! Numbers are little-endian.

use thiserror::Error;

/// How many bytes come before a record's payload.
pub const RECORD_HEADER: usize = 9;

/// One record, as a view into the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the record says; the meaning is the boundary's.
    pub kind: u8,
    /// Whom it concerns.
    pub id: u32,
    /// The rest.
    pub payload: &'a [u8],
}

/// Why a stream of records can't be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The stream ends within a header.
    #[error("the record at offset {offset} ends within its header")]
    Header {
        /// Where the record begins.
        offset: usize,
    },
    /// The stream ends within a payload.
    #[error("the record at offset {offset} announces {length} bytes of payload, {left} are left")]
    Payload {
        /// Where the record begins.
        offset: usize,
        /// The length that its header announces.
        length: usize,
        /// How many bytes are left.
        left: usize,
    },
}

/// A byte string is longer than its length field can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a byte string of {0} bytes is too long for its length field")]
pub struct TooLong(pub usize);

/// Reads records one after another. After an error there is nothing more.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Records<'a> {
    /// The records of the whole of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    fn read(&mut self) -> Result<Record<'a>, RecordError> {
        let offset = self.offset;
        let Some((&[kind, a, b, c, d, e, f, g, h], rest)) = self.bytes.split_first_chunk() else {
            return Err(RecordError::Header { offset });
        };
        let length = u32::from_le_bytes([e, f, g, h]) as usize;
        let (payload, rest) = rest.split_at_checked(length).ok_or(RecordError::Payload {
            offset,
            length,
            left: rest.len(),
        })?;
        self.bytes = rest;
        self.offset += RECORD_HEADER + length;
        Ok(Record {
            kind,
            id: u32::from_le_bytes([a, b, c, d]),
            payload,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.bytes = &[];
        }
        Some(record)
    }
}

impl std::iter::FusedIterator for Records<'_> {}

/// Writes one record at the end of a buffer; its length is filled in by [`RecordWriter::end`], or
/// when the writer is dropped.
#[derive(Debug)]
pub struct RecordWriter<'b> {
    out: &'b mut Vec<u8>,
    start: usize,
}

impl<'b> RecordWriter<'b> {
    /// Begins a record with an empty payload behind what `out` holds.
    pub fn begin(out: &'b mut Vec<u8>, kind: u8, id: u32) -> Self {
        let start = out.len();
        out.push(kind);
        out.extend_from_slice(&id.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        Self { out, start }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    /// Two bytes, the least significant first.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Four bytes, the least significant first.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Eight bytes, the least significant first.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// A 64-bit floating point number, the least significant byte first.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Bytes without a length before them.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// A byte string: its length as a u8, then the bytes.
    ///
    /// # Errors
    /// [`TooLong`] beyond 255 bytes; nothing is written then.
    pub fn bytes8(&mut self, bytes: &[u8]) -> Result<&mut Self, TooLong> {
        let length = u8::try_from(bytes.len()).map_err(|_| TooLong(bytes.len()))?;
        Ok(self.u8(length).raw(bytes))
    }

    /// A byte string: its length as a u16, then the bytes.
    ///
    /// # Errors
    /// [`TooLong`] beyond 65,535 bytes; nothing is written then.
    pub fn bytes16(&mut self, bytes: &[u8]) -> Result<&mut Self, TooLong> {
        let length = u16::try_from(bytes.len()).map_err(|_| TooLong(bytes.len()))?;
        Ok(self.u16(length).raw(bytes))
    }

    /// A text for people: its length in bytes as a u16, then its UTF-8. What is beyond 65,535 bytes
    /// is cut off at the end of a character.
    pub fn str16(&mut self, text: &str) -> &mut Self {
        let mut end = text.len().min(usize::from(u16::MAX));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &text[..end];
        self.u16(text.len() as u16).raw(text.as_bytes())
    }

    /// The buffer, for writers that append to a `Vec` themselves. What is before the record's
    /// payload must not be touched.
    pub const fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Ends the record.
    pub fn end(self) {}
}

impl Drop for RecordWriter<'_> {
    fn drop(&mut self) {
        let payload = self.start + RECORD_HEADER;
        // On the 32-bit memory that records live in, no length is beyond a u32.
        let written = self.out.len().saturating_sub(payload) as u32;
        if let Some(field) = self.out.get_mut(payload - 4..payload) {
            field.copy_from_slice(&written.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;
    use proptest::prelude::*;

    #[test]
    fn a_record_is_written_as_documented() {
        let mut out = vec![0xaa];
        RecordWriter::begin(&mut out, 7, 0x0102_0304)
            .u16(5)
            .str16("é");
        let expected = [0xaa, 7, 4, 3, 2, 1, 6, 0, 0, 0, 5, 0, 2, 0, 0xc3, 0xa9];
        assert_eq!(out, expected);
    }

    #[test]
    fn a_cut_stream_gives_the_whole_records_and_then_one_error() {
        let mut out = Vec::new();
        RecordWriter::begin(&mut out, 1, 2).end();
        RecordWriter::begin(&mut out, 3, 4).u32(9);
        let first = Record {
            kind: 1,
            id: 2,
            payload: &[],
        };
        let mut cut = Records::new(&out[..out.len() - 1]);
        assert_eq!(cut.next(), Some(Ok(first)));
        let payload = RecordError::Payload {
            offset: 9,
            length: 4,
            left: 3,
        };
        assert_eq!(cut.next(), Some(Err(payload)));
        assert_eq!(cut.next(), None);
        let mut cut = Records::new(&out[..12]);
        assert_eq!(cut.next(), Some(Ok(first)));
        let header = RecordError::Header { offset: 9 };
        assert_eq!(cut.next(), Some(Err(header)));
        assert_eq!(cut.next(), None);
    }

    #[test]
    fn every_primitive_of_the_writer_is_read_by_the_reader() {
        let mut out = Vec::new();
        let mut writer = RecordWriter::begin(&mut out, 0, 0);
        writer.u8(1).u16(2).u32(3).u64(4).f64(0.5).str16("7");
        assert!(writer.bytes8(&[6]).is_ok());
        assert!(writer.bytes16(&[9, 9]).is_ok());
        writer.buffer().push(8);
        writer.end();
        let record = Records::new(&out).next().and_then(Result::ok);
        let mut reader = Reader::new(record.expect("a record").payload);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u64(), Ok(4));
        assert_eq!(reader.f64(), Ok(0.5));
        assert_eq!(reader.str16(), Ok("7"));
        assert_eq!(reader.bytes8(), Ok(&[6][..]));
        assert_eq!(reader.bytes16(), Ok(&[9, 9][..]));
        assert_eq!(reader.u8(), Ok(8));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn what_is_too_long_is_refused_or_cut_between_characters() {
        let mut out = Vec::new();
        let mut writer = RecordWriter::begin(&mut out, 0, 0);
        assert_eq!(writer.bytes8(&[0; 256]).err(), Some(TooLong(256)));
        assert_eq!(writer.bytes16(&[0; 65_536]).err(), Some(TooLong(65_536)));
        writer.str16(&"é".repeat(40_000));
        writer.end();
        let record = Records::new(&out).next().and_then(Result::ok);
        let mut reader = Reader::new(record.expect("a record").payload);
        assert_eq!(reader.str16().map(str::len), Ok(65_534));
        assert_eq!(reader.finish(), Ok(()));
    }

    proptest! {
        #[test]
        fn every_stream_reads_back(
            records in prop::collection::vec(any::<(u8, u32, Vec<u8>)>(), 0..8)
        ) {
            let mut out = Vec::new();
            for (kind, id, payload) in &records {
                RecordWriter::begin(&mut out, *kind, *id).raw(payload);
            }
            let read: Result<Vec<_>, _> = Records::new(&out)
                .map(|r| r.map(|r| (r.kind, r.id, r.payload.to_vec())))
                .collect();
            prop_assert_eq!(read, Ok(records));
        }
    }
}
