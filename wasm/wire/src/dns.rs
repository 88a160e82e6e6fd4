//! DNS messages [RFC 1035 § 4], as far as TXT records in the answers need them.
//!
//! Names may be compressed when read. A pointer must lead to before the place where the name, or
//! the part of it that is being followed, begins, so that following pointers ends; no name has more than
//! 255 bytes [RFC 1035 § 2.3.4]. Questions are stepped over, records of other types and classes are
//! skipped, and what follows the answers is not looked at.

use thiserror::Error;

/// The most bytes that a name may have on the wire, uncompressed [RFC 1035 § 2.3.4].
pub const MAX_NAME: usize = 255;
/// The most bytes that a label may have.
pub const MAX_LABEL: usize = 63;
/// The most bytes that a character string may have.
pub const MAX_CHARACTER_STRING: usize = 255;

const HEADER: usize = 12;
const TYPE_TXT: u16 = 16;
const CLASS_IN: u16 = 1;
/// The bit of a class in which multicast DNS says something else [RFC 6762 § 10.2].
const CACHE_FLUSH: u16 = 0x8000;
/// A response without an error.
const FLAGS_RESPONSE: u16 = 0x8000;
const POINTER: u8 = 0xc0;
const TYPE_CLASS_TTL_LENGTH: usize = 10;

/// Why a DNS message can't be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DnsError {
    /// The message ends early.
    #[error("the DNS message is truncated")]
    Truncated,
    /// A name of more than [`MAX_NAME`] bytes, or an empty label or one of more than [`MAX_LABEL`]
    /// bytes within one.
    #[error("a name in the DNS message has the wrong length")]
    NameLength,
    /// A length byte whose first two bits are reserved, or a pointer that does not lead backwards.
    #[error("a name in the DNS message is malformed at offset {offset}")]
    NamePointer {
        /// Where the length byte or pointer is.
        offset: usize,
    },
    /// The character strings of a TXT record do not fill its data.
    #[error("the data of a TXT record is malformed")]
    Text,
    /// More than 65,535 records or bytes in a record; only when writing.
    #[error("the DNS message would be too large")]
    TooLarge,
}

/// One TXT record.
#[derive(Debug, Clone, Copy)]
pub struct Txt<'a> {
    /// Whose record it is.
    pub name: Name<'a>,
    /// How long it may be cached, in seconds.
    pub ttl: u32,
    data: &'a [u8],
}

/// A name within a message, whose form has been checked.
#[derive(Debug, Clone, Copy)]
pub struct Name<'a> {
    message: &'a [u8],
    offset: usize,
}

/// The TXT records among the answers of a message, in order. After an error there is nothing more.
#[derive(Debug, Clone)]
pub struct TxtAnswers<'a> {
    message: &'a [u8],
    offset: usize,
    answers_left: u16,
}

impl<'a> TxtAnswers<'a> {
    /// Reads the header and steps over the questions.
    ///
    /// # Errors
    /// Every [`DnsError`] but `Text` and `TooLarge`.
    pub fn new(message: &'a [u8]) -> Result<Self, DnsError> {
        let questions = u16_at(message, 4)?;
        let answers_left = u16_at(message, 6)?;
        let mut offset = HEADER;
        if message.len() < HEADER {
            return Err(DnsError::Truncated);
        }
        for _ in 0..questions {
            offset = skip_name(message, offset)? + 4;
        }
        if offset > message.len() {
            return Err(DnsError::Truncated);
        }
        Ok(Self {
            message,
            offset,
            answers_left,
        })
    }

    /// The next answer, if it is a TXT record.
    fn read(&mut self) -> Result<Option<Txt<'a>>, DnsError> {
        let message = self.message;
        let name = Name {
            message,
            offset: self.offset,
        };
        let fixed = skip_name(message, self.offset)?;
        let kind = u16_at(message, fixed)?;
        let class = u16_at(message, fixed + 2)?;
        let ttl =
            u32::from(u16_at(message, fixed + 4)?) << 16 | u32::from(u16_at(message, fixed + 6)?);
        let start = fixed + TYPE_CLASS_TTL_LENGTH;
        let end = start + usize::from(u16_at(message, fixed + 8)?);
        let data = message.get(start..end).ok_or(DnsError::Truncated)?;
        self.offset = end;
        if kind != TYPE_TXT || class & !CACHE_FLUSH != CLASS_IN {
            return Ok(None);
        }
        if !is_character_strings(data) {
            return Err(DnsError::Text);
        }
        Ok(Some(Txt { name, ttl, data }))
    }
}

impl<'a> Iterator for TxtAnswers<'a> {
    type Item = Result<Txt<'a>, DnsError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.answers_left > 0 {
            self.answers_left -= 1;
            match self.read() {
                Ok(None) => {}
                Ok(Some(record)) => return Some(Ok(record)),
                Err(error) => {
                    self.answers_left = 0;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for TxtAnswers<'_> {}

impl<'a> Txt<'a> {
    /// The character strings, each of at most 255 bytes of any value.
    pub fn strings(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.data;
        std::iter::from_fn(move || {
            let (&length, after) = rest.split_first()?;
            let (string, after) = after.split_at_checked(usize::from(length))?;
            rest = after;
            Some(string)
        })
    }

    /// The character strings one after another: the value, where one value is spread over several.
    pub fn value(&self) -> Vec<u8> {
        self.strings().collect::<Vec<_>>().concat()
    }
}

impl<'a> Name<'a> {
    /// The labels, of at most 63 bytes of any value each, the root's empty one excepted.
    pub fn labels(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (message, mut offset) = (self.message, self.offset);
        std::iter::from_fn(move || {
            loop {
                match label(message, offset).ok()? {
                    Label::End => return None,
                    Label::Text { text, next } => {
                        offset = next;
                        return Some(text);
                    }
                    Label::Pointer { target, .. } => offset = target,
                }
            }
        })
    }

    /// Whether these are the labels of the name, in either case [RFC 4343 § 3].
    pub fn is(&self, labels: &[&str]) -> bool {
        let mut own = self.labels();
        labels.iter().all(|label| {
            own.next()
                .is_some_and(|l| l.eq_ignore_ascii_case(label.as_bytes()))
        }) && own.next().is_none()
    }
}

/// A response whose answers are one TXT record for each of `values`, all under the name of `labels`.
///
/// A value of more than 255 bytes is spread over several character strings.
///
/// # Errors
/// [`DnsError::NameLength`] for a name that is none, [`DnsError::TooLarge`].
pub fn txt_response<'v>(
    labels: &[&str],
    ttl: u32,
    values: impl ExactSizeIterator<Item = &'v [u8]>,
) -> Result<Vec<u8>, DnsError> {
    let count = u16::try_from(values.len()).map_err(|_| DnsError::TooLarge)?;
    let mut out = Vec::with_capacity(512);
    for field in [0, FLAGS_RESPONSE, 0, count, 0, 0] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    for (index, value) in values.enumerate() {
        match index {
            0 => put_name(labels, &mut out)?,
            _ => out.extend_from_slice(&[POINTER, HEADER as u8]),
        }
        out.extend_from_slice(&TYPE_TXT.to_be_bytes());
        out.extend_from_slice(&CLASS_IN.to_be_bytes());
        out.extend_from_slice(&ttl.to_be_bytes());
        let strings = value.len().div_ceil(MAX_CHARACTER_STRING).max(1);
        let length = u16::try_from(strings + value.len()).map_err(|_| DnsError::TooLarge)?;
        out.extend_from_slice(&length.to_be_bytes());
        if value.is_empty() {
            out.push(0);
        }
        for string in value.chunks(MAX_CHARACTER_STRING) {
            out.push(string.len() as u8);
            out.extend_from_slice(string);
        }
    }
    Ok(out)
}

/// How many bytes [`txt_response`] makes of one more value, beyond the first.
pub const fn txt_record_len(value: usize) -> usize {
    let strings = value.div_ceil(MAX_CHARACTER_STRING);
    let strings = if strings == 0 { 1 } else { strings };
    2 + TYPE_CLASS_TTL_LENGTH + strings + value
}

fn put_name(labels: &[&str], out: &mut Vec<u8>) -> Result<(), DnsError> {
    let start = out.len();
    for label in labels {
        if label.is_empty() || label.len() > MAX_LABEL {
            return Err(DnsError::NameLength);
        }
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    match out.len() - start {
        0..=MAX_NAME => Ok(()),
        _ => Err(DnsError::NameLength),
    }
}

/// One element of a name.
enum Label<'a> {
    End,
    Text { text: &'a [u8], next: usize },
    Pointer { target: usize, next: usize },
}

fn label(message: &[u8], offset: usize) -> Result<Label<'_>, DnsError> {
    let first = *message.get(offset).ok_or(DnsError::Truncated)?;
    match first & POINTER {
        0 if first == 0 => Ok(Label::End),
        0 => {
            let next = offset + 1 + usize::from(first);
            let text = message.get(offset + 1..next).ok_or(DnsError::Truncated)?;
            Ok(Label::Text { text, next })
        }
        POINTER => {
            let low = *message.get(offset + 1).ok_or(DnsError::Truncated)?;
            Ok(Label::Pointer {
                target: usize::from(first & !POINTER) << 8 | usize::from(low),
                next: offset + 2,
            })
        }
        _ => Err(DnsError::NamePointer { offset }),
    }
}

/// Where what follows the name begins, once every label of the name has been looked at.
fn skip_name(message: &[u8], start: usize) -> Result<usize, DnsError> {
    let (mut offset, mut part, mut length) = (start, start, 1);
    let mut after = None;
    loop {
        match label(message, offset)? {
            Label::End => return Ok(after.unwrap_or(offset + 1)),
            Label::Text { text, next } => {
                length += 1 + text.len();
                offset = next;
            }
            Label::Pointer { target, next } => {
                if target >= part {
                    return Err(DnsError::NamePointer { offset });
                }
                after.get_or_insert(next);
                (offset, part) = (target, target);
            }
        }
        if length > MAX_NAME {
            return Err(DnsError::NameLength);
        }
    }
}

fn is_character_strings(mut data: &[u8]) -> bool {
    while let Some((&length, rest)) = data.split_first() {
        match rest.get(usize::from(length)..) {
            Some(rest) => data = rest,
            None => return false,
        }
    }
    true
}

fn u16_at(message: &[u8], offset: usize) -> Result<u16, DnsError> {
    let bytes = message
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .ok_or(DnsError::Truncated)?;
    Ok(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
