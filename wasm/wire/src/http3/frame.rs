//! Frames ([RFC 9114 § 7]): a type, a length, and that many bytes.
//!
//! [RFC 9114 § 7]: https://www.rfc-editor.org/rfc/rfc9114#section-7

use crate::varint::{read_varint, write_varint};

/// A piece of a message's content.
pub const DATA: u64 = 0x00;
/// The fields of a message, encoded by QPACK.
pub const HEADERS: u64 = 0x01;
/// About pushes, which there are none of.
pub const CANCEL_PUSH: u64 = 0x03;
/// See [`settings`](super::settings).
pub const SETTINGS: u64 = 0x04;
/// Only servers send it.
pub const PUSH_PROMISE: u64 = 0x05;
/// No further requests come, or are taken.
pub const GOAWAY: u64 = 0x07;
/// How much may be pushed.
pub const MAX_PUSH_ID: u64 = 0x0d;

/// What a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// The type.
    pub kind: u64,
    /// How many bytes follow.
    pub length: u64,
}

/// Reads the head of a frame or of a capsule, which is the same ([RFC 9297 § 3.2]), and tells how many bytes it takes; `None` when it
/// is not there as a whole.
///
/// [RFC 9297 § 3.2]: https://www.rfc-editor.org/rfc/rfc9297#section-3.2
pub fn read_head(bytes: &[u8]) -> Option<(FrameHead, usize)> {
    let (kind, rest) = read_varint(bytes)?;
    let (length, rest) = read_varint(rest)?;
    Some((FrameHead { kind, length }, bytes.len() - rest.len()))
}

/// Appends a frame or a capsule.
pub fn write(kind: u64, payload: &[u8], out: &mut Vec<u8>) {
    write_varint(kind, out);
    write_varint(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

/// Whether HTTP/2 has a frame of this type that HTTP/3 has not, which is an error ([RFC 9114 § 7.2.8]); other unknown types are skipped.
///
/// [RFC 9114 § 7.2.8]: https://www.rfc-editor.org/rfc/rfc9114#section-7.2.8
pub fn is_of_http2(kind: u64) -> bool {
    matches!(kind, 0x02 | 0x06 | 0x08 | 0x09)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_once_its_head_is_whole() {
        let mut bytes = Vec::new();
        write(HEADERS, &[7; 100], &mut bytes);
        assert_eq!(bytes.len(), 103);
        let head = FrameHead {
            kind: HEADERS,
            length: 100,
        };
        assert_eq!(read_head(&bytes), Some((head, 3)));
        assert_eq!(read_head(&bytes[..2]), None);
        assert_eq!(read_head(&[]), None);
    }
}
