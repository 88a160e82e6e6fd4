//! Fields of requests and answers: QPACK ([RFC 9204]) without a dynamic table.
//!
//! A side that announces no table is sent references to the static one and literals only, so a section of fields is read by itself.
//!
//! [RFC 9204]: https://www.rfc-editor.org/rfc/rfc9204

mod huffman;
mod table;

use thiserror::Error;

use table::TABLE;

/// What a field counts for beside its name and its value ([RFC 9114 § 4.2.2]).
///
/// [RFC 9114 § 4.2.2]: https://www.rfc-editor.org/rfc/rfc9114#section-4.2.2
const FIELD_OVERHEAD: usize = 32;

/// Why a section can't be read; the answer is `QPACK_DECOMPRESSION_FAILED`, or `H3_EXCESSIVE_LOAD` for one that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QpackError {
    /// The section ends within a field.
    #[error("the fields are cut off")]
    Truncated,
    /// A number above 2^32 - 1.
    #[error("a number is too large")]
    Number,
    /// A reference to a dynamic table, which was not announced.
    #[error("a field refers to a dynamic table")]
    Dynamic,
    /// A reference beyond the static table.
    #[error("there is no field {0} in the static table")]
    Index(u64),
    /// A text in a code that is none.
    #[error("a text is not in Huffman's code")]
    Huffman,
    /// More than this side takes.
    #[error("the fields are larger than was announced")]
    TooLarge,
}

/// A name and a value, as bytes: what they may be made of is not looked at here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// In lower case when it is well-formed; a pseudo-header's begins with a colon.
    pub name: Vec<u8>,
    /// Anything.
    pub value: Vec<u8>,
}

/// Reads a section of fields that is at most `max_size` bytes large, by the count of [RFC 9114 § 4.2.2].
///
/// # Errors
/// [`QpackError`].
///
/// [RFC 9114 § 4.2.2]: https://www.rfc-editor.org/rfc/rfc9114#section-4.2.2
pub fn read(section: &[u8], max_size: usize) -> Result<Vec<Field>, QpackError> {
    let (required_insert_count, rest) = read_number(section, 8)?;
    if required_insert_count != 0 {
        return Err(QpackError::Dynamic);
    }
    let (_base, mut rest) = read_number(rest, 7)?;
    let (mut fields, mut left) = (Vec::new(), max_size);
    while !rest.is_empty() {
        let (field, after) = read_field(rest, left)?;
        let size = field.name.len() + field.value.len() + FIELD_OVERHEAD;
        left = left.checked_sub(size).ok_or(QpackError::TooLarge)?;
        fields.push(field);
        rest = after;
    }
    Ok(fields)
}

/// Appends a section of fields: references to the static table where it has them, and literals without Huffman's code.
pub fn write(fields: &[(&str, &str)], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0]);
    for (name, value) in fields {
        let by_name = TABLE.iter().position(|(known, _)| known == name);
        let by_both = TABLE.iter().position(|known| known == &(*name, *value));
        match (by_both, by_name) {
            (Some(index), _) => write_number(index as u64, 6, 0xc0, out),
            (None, Some(index)) => write_number(index as u64, 4, 0x50, out),
            (None, None) => {
                write_number(name.len() as u64, 3, 0x20, out);
                out.extend_from_slice(name.as_bytes());
            }
        }
        if by_both.is_none() {
            write_number(value.len() as u64, 7, 0, out);
            out.extend_from_slice(value.as_bytes());
        }
    }
}

/// One of the representations of [RFC 9204 § 4.5](https://www.rfc-editor.org/rfc/rfc9204#section-4.5).
fn read_field(bytes: &[u8], max_size: usize) -> Result<(Field, &[u8]), QpackError> {
    const STATIC: u8 = 0x40;
    const STATIC_NAME: u8 = 0x10;
    let first = *bytes.first().ok_or(QpackError::Truncated)?;
    match first {
        // An indexed field line.
        0x80.. => {
            let (index, rest) = read_number(bytes, 6)?;
            let (name, value) = entry(index, first & STATIC != 0)?;
            Ok((field(name.as_bytes(), value.as_bytes().to_vec()), rest))
        }
        // A literal with a name by reference.
        0x40.. => {
            let (index, rest) = read_number(bytes, 4)?;
            let (name, _) = entry(index, first & STATIC_NAME != 0)?;
            let (value, rest) = read_text(rest, 7, max_size)?;
            Ok((field(name.as_bytes(), value), rest))
        }
        // A literal with a literal name.
        0x20.. => {
            let (name, rest) = read_text(bytes, 3, max_size)?;
            let (value, rest) = read_text(rest, 7, max_size)?;
            Ok((field(&name, value), rest))
        }
        // Both kinds of references beyond the base.
        _ => Err(QpackError::Dynamic),
    }
}

fn field(name: &[u8], value: Vec<u8>) -> Field {
    let name = name.to_vec();
    Field { name, value }
}

fn entry(index: u64, of_static_table: bool) -> Result<(&'static str, &'static str), QpackError> {
    if !of_static_table {
        return Err(QpackError::Dynamic);
    }
    let entry = usize::try_from(index).ok().and_then(|at| TABLE.get(at));
    entry.copied().ok_or(QpackError::Index(index))
}

/// A text of at most `max_size` bytes behind its length, which has a prefix of `bits`; the bit above says that it is in Huffman's code.
fn read_text(bytes: &[u8], bits: u32, max_size: usize) -> Result<(Vec<u8>, &[u8]), QpackError> {
    let coded = bytes
        .first()
        .is_some_and(|first| u32::from(*first) & (1 << bits) != 0);
    let (length, rest) = read_number(bytes, bits)?;
    let length = usize::try_from(length).map_err(|_| QpackError::Number)?;
    let (text, rest) = rest.split_at_checked(length).ok_or(QpackError::Truncated)?;
    let text = match coded {
        true => huffman::decode(text, max_size)?,
        false if length > max_size => return Err(QpackError::TooLarge),
        false => text.to_vec(),
    };
    Ok((text, rest))
}

/// A number with a prefix of `bits` ([RFC 7541 § 5.1](https://www.rfc-editor.org/rfc/rfc7541#section-5.1)).
fn read_number(bytes: &[u8], bits: u32) -> Result<(u64, &[u8]), QpackError> {
    let (first, mut rest) = bytes.split_first().ok_or(QpackError::Truncated)?;
    let most = (1_u64 << bits) - 1;
    let mut number = u64::from(*first) & most;
    if number < most {
        return Ok((number, rest));
    }
    for shift in (0..35).step_by(7) {
        let (next, after) = rest.split_first().ok_or(QpackError::Truncated)?;
        rest = after;
        number += u64::from(next & 0x7f) << shift;
        if number > u32::MAX.into() {
            return Err(QpackError::Number);
        }
        if next & 0x80 == 0 {
            return Ok((number, rest));
        }
    }
    Err(QpackError::Number)
}

fn write_number(number: u64, bits: u32, flags: u8, out: &mut Vec<u8>) {
    let most = (1_u64 << bits) - 1;
    if number < most {
        out.push(flags | number as u8);
        return;
    }
    out.push(flags | most as u8);
    let mut left = number - most;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const PLENTY: usize = 16_384;

    fn fields(pairs: &[(&str, &str)]) -> Vec<Field> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| field(name.as_bytes(), value.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn every_representation_of_the_static_table_and_of_literals_is_read() {
        // The first example of RFC 9204, appendix B: a literal value with a name by reference.
        let example = b"\x00\x00\x51\x0b/index.html";
        assert_eq!(
            read(example, PLENTY),
            Ok(fields(&[(":path", "/index.html")]))
        );
        let indexed = [0, 0, 0xcf, 0xc0 | 23];
        let expected = fields(&[(":method", "CONNECT"), (":scheme", "https")]);
        assert_eq!(read(&indexed, PLENTY), Ok(expected));
        // A literal name and value, both in Huffman's code: the examples of RFC 7541, appendix C.4.3.
        let mut coded = vec![0, 0, 0x2f, 0x01];
        coded.extend_from_slice(&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f]);
        coded.extend_from_slice(&[0x89, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf]);
        let expected = fields(&[("custom-key", "custom-value")]);
        assert_eq!(read(&coded, PLENTY), Ok(expected));
    }

    #[test]
    fn what_needs_a_dynamic_table_is_refused() {
        for section in [
            &[1, 0][..],
            &[0, 0, 0x80],
            &[0, 0, 0x40, 0],
            &[0, 0, 0x10],
            &[0, 0, 0x00, 0],
        ] {
            assert_eq!(read(section, PLENTY), Err(QpackError::Dynamic));
        }
    }

    #[test]
    fn what_is_cut_off_beyond_the_table_or_too_large_is_refused() {
        let cases: [(&[u8], QpackError); 6] = [
            (&[], QpackError::Truncated),
            (&[0], QpackError::Truncated),
            (&[0, 0, 0x51, 5, b'a'], QpackError::Truncated),
            (&[0, 0, 0xff, 36], QpackError::Index(99)),
            (
                &[0, 0, 0x5f, 0xff, 0xff, 0xff, 0xff, 0xff],
                QpackError::Number,
            ),
            (&[0, 0, 0x51, 0x81, 0], QpackError::Huffman),
        ];
        for (section, error) in cases {
            assert_eq!(read(section, PLENTY), Err(error));
        }
        let path = b"\x00\x00\x51\x0b/index.html";
        let size = ":path/index.html".len() + FIELD_OVERHEAD;
        assert!(read(path, size).is_ok());
        assert_eq!(read(path, size - 1), Err(QpackError::TooLarge));
        assert_eq!(read(path, 5), Err(QpackError::TooLarge));
    }

    #[test]
    fn a_coded_text_is_not_expanded_beyond_the_limit() {
        // Eight zeros of "0" take 40 bits: a section of 1,000 bytes would grow to 1,600.
        let mut section = vec![0, 0, 0x51, 0xff, 0xe9, 0x06];
        section.extend_from_slice(&[0; 1000]);
        assert_eq!(read(&section, 100), Err(QpackError::TooLarge));
        assert_eq!(
            read(&section, PLENTY).map(|fields| fields[0].value.len()),
            Ok(1600)
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(names in vec("[a-z:-]{0,20}", 0..8), value in "\\PC{0,300}") {
            let pairs: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
            let pairs = [&pairs[..], &[(":status", "200"), (":status", "403"), ("origin", "*")]].concat();
            let mut out = Vec::new();
            write(&pairs, &mut out);
            prop_assert_eq!(read(&out, PLENTY * 4), Ok(fields(&pairs)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(section: Vec<u8>) {
            let _ = read(&section, PLENTY);
        }
    }
}
