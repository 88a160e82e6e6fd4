//! STUN messages [RFC 8489]: requests and answers of the Binding method, and what a server answers.
//!
//! [`Message::parse`] takes a datagram apart and checks it as a whole, its FINGERPRINT included; accessors
//! then read single attributes. [`MessageWriter`] writes. Credentials (USERNAME, MESSAGE-INTEGRITY) are
//! passed over, for nothing here uses them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use crate::address::{from_mapped, to_mapped};

/// How many bytes come before the attributes.
pub const HEADER_LENGTH: usize = 20;

/// The value that every message has at its fifth byte.
pub const MAGIC_COOKIE: u32 = 0x2112_a442;

/// The method that tells an agent its own address [RFC 8489 § 3].
pub const BINDING: u16 = 1;

/// The longest request that is answered: what fits every IPv4 path [RFC 8489 § 6.1].
pub const MAX_REQUEST_LENGTH: usize = 548;

/// What an answer may have for each byte of its request, as an unvalidated path of QUIC has it
/// [RFC 9000 § 8.1].
pub const MAX_AMPLIFICATION: usize = 3;

/// The error code for a request with attributes that the server must understand and does not.
pub const UNKNOWN_ATTRIBUTE: u16 = 420;

/// The numbers of attributes [RFC 8489 § 18.3].
pub mod attribute {
    /// The address of the other side, in plain.
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    /// A user's name.
    pub const USERNAME: u16 = 0x0006;
    /// An HMAC over what comes before it.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// Why a request was refused.
    pub const ERROR_CODE: u16 = 0x0009;
    /// The attributes that a server did not know.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    /// Where a user's name is valid.
    pub const REALM: u16 = 0x0014;
    /// A server's challenge.
    pub const NONCE: u16 = 0x0015;
    /// An HMAC over what comes before it.
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    /// How a password is hashed.
    pub const PASSWORD_ALGORITHM: u16 = 0x001d;
    /// A user's name, hashed.
    pub const USERHASH: u16 = 0x001e;
    /// The address of the other side, so written that no middlebox takes it for one.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// The port that the answer is wanted at [RFC 5780 § 7.5].
    pub const RESPONSE_PORT: u16 = 0x0027;
    /// What program speaks.
    pub const SOFTWARE: u16 = 0x8022;
    /// A checksum, always the last attribute.
    pub const FINGERPRINT: u16 = 0x8028;
}

/// What is understood among the attributes that must be; those that do not belong into a request are ignored
/// as [RFC 8489 § 6.3] wants it.
const UNDERSTOOD: [u16; 12] = [
    attribute::MAPPED_ADDRESS,
    attribute::USERNAME,
    attribute::MESSAGE_INTEGRITY,
    attribute::ERROR_CODE,
    attribute::UNKNOWN_ATTRIBUTES,
    attribute::REALM,
    attribute::NONCE,
    attribute::MESSAGE_INTEGRITY_SHA256,
    attribute::PASSWORD_ALGORITHM,
    attribute::USERHASH,
    attribute::XOR_MAPPED_ADDRESS,
    attribute::RESPONSE_PORT,
];

/// Attributes below this must be understood, those from it on may be passed over [RFC 8489 § 14].
const OPTIONAL_FROM: u16 = 0x8000;

/// SOFTWARE and reason phrases have fewer than 128 characters [RFC 8489 § 14.8, § 14.14].
const MAX_TEXT_BYTES: usize = 763;

const FINGERPRINT_LENGTH: usize = 8;
const FINGERPRINT_XOR: u32 = 0x5354_554e;
const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// What a message is [RFC 8489 § 5].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It wants an answer.
    Request,
    /// It wants none.
    Indication,
    /// The answer to a request that succeeded.
    Success,
    /// The answer to a request that did not.
    Error,
}

/// What an answer shares with its request; random, so that strangers can't answer [RFC 8489 § 5].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionId(pub [u8; 12]);

/// Why bytes are not a STUN message, or an attribute is not what its type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StunError {
    /// The header is cut off, or its first two bits or its cookie are another protocol's.
    #[error("the header is not STUN's")]
    Header,
    /// The length in the header is not that of what follows, or no multiple of four.
    #[error("the header tells {told} bytes, and {actual} follow it")]
    Length {
        /// What the header says.
        told: usize,
        /// What is there.
        actual: usize,
    },
    /// An attribute reaches beyond the message.
    #[error("attribute {kind:#06x} reaches beyond the message")]
    Bounds {
        /// Which.
        kind: u16,
    },
    /// An attribute's value is not what its type says.
    #[error("attribute {kind:#06x} is malformed")]
    Value {
        /// Which.
        kind: u16,
    },
    /// The FINGERPRINT is not that of the message, or not at its end.
    #[error("the fingerprint does not fit")]
    Fingerprint,
}

/// A message that is well formed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub class: Class,
    /// What it is about, 12 bits; here always [`BINDING`] or unknown.
    pub method: u16,
    /// What its answer has, or what its request had.
    pub transaction: TransactionId,
    /// The attributes, each of them within bounds.
    body: &'a [u8],
}

/// An attribute, not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type, see [`attribute`].
    pub kind: u16,
    /// Its value without padding.
    pub value: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram [RFC 8489 § 6.3].
    ///
    /// # Errors
    /// [`StunError`] when it is not STUN, when an attribute reaches beyond it, and when it has a FINGERPRINT
    /// that is not its own.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, StunError> {
        let (header, body) = datagram
            .split_first_chunk::<HEADER_LENGTH>()
            .ok_or(StunError::Header)?;
        let [t0, t1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
        if t0 & 0xc0 != 0 || u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE {
            return Err(StunError::Header);
        }
        let (told, actual) = (u16::from_be_bytes([l0, l1]).into(), body.len());
        if told != actual || !actual.is_multiple_of(4) {
            return Err(StunError::Length { told, actual });
        }
        let (class, method) = from_type(u16::from_be_bytes([t0, t1]));
        let message = Self {
            class,
            method,
            transaction: TransactionId(transaction),
            body,
        };
        message.check(datagram)?;
        Ok(message)
    }

    fn check(&self, datagram: &[u8]) -> Result<(), StunError> {
        let mut rest = self.body;
        while !rest.is_empty() {
            let (Attribute { kind, value }, after) = split(rest)?;
            if kind == attribute::FINGERPRINT {
                let before = datagram.len() - rest.len();
                let right = value == fingerprint(&datagram[..before]).to_be_bytes();
                if !after.is_empty() || !right {
                    return Err(StunError::Fingerprint);
                }
            }
            rest = after;
        }
        Ok(())
    }

    /// Its attributes in their order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            let (attribute, after) = split(rest).ok()?;
            rest = after;
            Some(attribute)
        })
    }

    /// The value of the first attribute of a type; later ones are duplicates to be ignored [RFC 8489 § 14].
    pub fn value(&self, kind: u16) -> Option<&'a [u8]> {
        let mut attributes = self.attributes();
        attributes
            .find(|attribute| attribute.kind == kind)
            .map(|attribute| attribute.value)
    }

    /// Whether it has a FINGERPRINT, which then is the right one.
    pub fn has_fingerprint(&self) -> bool {
        self.value(attribute::FINGERPRINT).is_some()
    }

    /// The address that the server sees its client at [RFC 8489 § 14.2]; `None` when it is not told.
    ///
    /// # Errors
    /// [`StunError::Value`] when the attribute is no address.
    pub fn xor_mapped_address(&self) -> Result<Option<SocketAddr>, StunError> {
        let kind = attribute::XOR_MAPPED_ADDRESS;
        let Some(value) = self.value(kind) else {
            return Ok(None);
        };
        let malformed = StunError::Value { kind };
        let ([_, family, p0, p1], ip) = value.split_first_chunk().ok_or(malformed)?;
        let port = u16::from_be_bytes([*p0, *p1]) ^ (MAGIC_COOKIE >> 16) as u16;
        let mask = self.transaction.mask();
        let ip = match (*family, ip.len()) {
            (IPV4, 4) => IpAddr::V4(Ipv4Addr::from(xored::<4>(ip, &mask))),
            (IPV6, 16) => IpAddr::V6(Ipv6Addr::from(xored::<16>(ip, &mask))),
            _ => return Err(malformed),
        };
        Ok(Some(SocketAddr::new(ip, port)))
    }

    /// What program speaks [RFC 8489 § 14.14].
    ///
    /// # Errors
    /// [`StunError::Value`] when it is no text, or too long.
    pub fn software(&self) -> Result<Option<&'a str>, StunError> {
        let kind = attribute::SOFTWARE;
        self.value(kind).map(|value| text(kind, value)).transpose()
    }

    /// Why a request was refused: a number from 300 to 699, and words for people [RFC 8489 § 14.8].
    ///
    /// # Errors
    /// [`StunError::Value`] when the attribute is not that.
    pub fn error_code(&self) -> Result<Option<(u16, &'a str)>, StunError> {
        let kind = attribute::ERROR_CODE;
        let Some(value) = self.value(kind) else {
            return Ok(None);
        };
        let malformed = StunError::Value { kind };
        let ([_, _, class, number], reason) = value.split_first_chunk().ok_or(malformed)?;
        let class = class & 7;
        if !(3..=6).contains(&class) || *number > 99 {
            return Err(malformed);
        }
        let code = u16::from(class) * 100 + u16::from(*number);
        Ok(Some((code, text(kind, reason)?)))
    }

    /// The attributes that a server did not know [RFC 8489 § 14.13].
    ///
    /// # Errors
    /// [`StunError::Value`] when the list has half a number.
    pub fn unknown_attributes(
        &self,
    ) -> Result<Option<impl Iterator<Item = u16> + use<'a>>, StunError> {
        let kind = attribute::UNKNOWN_ATTRIBUTES;
        let Some(value) = self.value(kind) else {
            return Ok(None);
        };
        let (pairs, rest) = value.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(StunError::Value { kind });
        }
        Ok(Some(pairs.iter().map(|pair| u16::from_be_bytes(*pair))))
    }

    /// The attributes that this module would have to understand and does not, each once, in their order.
    /// What comes behind an HMAC is not looked at [RFC 8489 § 14.5].
    pub fn not_understood(&self) -> Vec<u16> {
        let mut unknown = Vec::new();
        for Attribute { kind, .. } in self.attributes() {
            if matches!(
                kind,
                attribute::MESSAGE_INTEGRITY | attribute::MESSAGE_INTEGRITY_SHA256
            ) {
                break;
            }
            if kind < OPTIONAL_FROM && !UNDERSTOOD.contains(&kind) && !unknown.contains(&kind) {
                unknown.push(kind);
            }
        }
        unknown
    }
}

/// What a server that asks for no credentials answers to a datagram from `source` [RFC 8489 § 6.3.1].
///
/// `None` when nothing is to be answered: to anything but a Binding request of at most
/// [`MAX_REQUEST_LENGTH`] bytes. An answer has at most [`MAX_AMPLIFICATION`] times the bytes of its request,
/// and always a FINGERPRINT. An IPv4-mapped source is told as IPv4.
///
/// # Errors
/// [`StunError`] when the datagram is malformed.
pub fn answer(datagram: &[u8], source: SocketAddr) -> Result<Option<Vec<u8>>, StunError> {
    let request = Message::parse(datagram)?;
    let is_request = (request.class, request.method) == (Class::Request, BINDING);
    if !is_request || datagram.len() > MAX_REQUEST_LENGTH {
        return Ok(None);
    }
    let unknown = request.not_understood();
    let writer = if unknown.is_empty() {
        MessageWriter::new(Class::Success, BINDING, request.transaction)
            .xor_mapped_address(from_mapped(to_mapped(source)))
    } else {
        MessageWriter::new(Class::Error, BINDING, request.transaction)
            .error_code(UNKNOWN_ATTRIBUTE, "Unknown Attribute")
            .unknown_attributes(&unknown)
    };
    Ok(Some(writer.fingerprint()))
}

/// The port of its sender that a request wants to be answered at [RFC 5780 § 7.5]; `None`: where it came from.
pub fn response_port(request: &[u8]) -> Option<u16> {
    let message = Message::parse(request).ok()?;
    let [high, low, ..] = *message.value(attribute::RESPONSE_PORT)? else {
        return None;
    };
    Some(u16::from_be_bytes([high, low])).filter(|port| *port != 0)
}

/// Writes a message, one attribute after another.
#[derive(Debug, Clone)]
pub struct MessageWriter {
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl MessageWriter {
    /// A message without attributes. Of `method` 12 bits are used.
    pub fn new(class: Class, method: u16, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_LENGTH + 64);
        bytes.extend(to_type(class, method).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(MAGIC_COOKIE.to_be_bytes());
        bytes.extend(transaction.0);
        Self { bytes, transaction }
    }

    /// A request for one's own address.
    pub fn binding_request(transaction: TransactionId) -> Self {
        Self::new(Class::Request, BINDING, transaction)
    }

    /// Adds an attribute. A message has room for 65,532 bytes of them; one that does not fit is left out.
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let padded = value.len().next_multiple_of(4);
        let total = self.bytes.len() - HEADER_LENGTH + 4 + padded;
        let (Ok(length), Ok(total)) = (u16::try_from(value.len()), u16::try_from(total)) else {
            return self;
        };
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(HEADER_LENGTH + usize::from(total), 0);
        self.bytes[2..4].copy_from_slice(&total.to_be_bytes());
        self
    }

    /// Adds the address that a client is seen at, as it is: IPv4-mapped IPv6 stays IPv6.
    pub fn xor_mapped_address(self, address: SocketAddr) -> Self {
        let mask = self.transaction.mask();
        let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
        let (family, ip) = match address.ip() {
            IpAddr::V4(ip) => (IPV4, xored::<4>(&ip.octets(), &mask).to_vec()),
            IpAddr::V6(ip) => (IPV6, xored::<16>(&ip.octets(), &mask).to_vec()),
        };
        let mut value = vec![0, family];
        value.extend(port.to_be_bytes());
        value.extend(ip);
        self.attribute(attribute::XOR_MAPPED_ADDRESS, &value)
    }

    /// Adds what program speaks: at most 763 bytes of it.
    pub fn software(self, name: &str) -> Self {
        self.attribute(attribute::SOFTWARE, shortened(name).as_bytes())
    }

    /// Adds why a request is refused: a number from 300 to 699, and at most 763 bytes of words.
    pub fn error_code(self, code: u16, reason: &str) -> Self {
        let mut value = vec![0, 0, (code / 100) as u8 & 7, (code % 100) as u8];
        value.extend(shortened(reason).as_bytes());
        self.attribute(attribute::ERROR_CODE, &value)
    }

    /// Adds the attributes that were not understood.
    pub fn unknown_attributes(self, kinds: &[u16]) -> Self {
        let value: Vec<u8> = kinds.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, &value)
    }

    /// The message, closed by a FINGERPRINT [RFC 8489 § 14.7].
    pub fn fingerprint(mut self) -> Vec<u8> {
        // The checksum covers the header with the length that it has in the end.
        let total = self.bytes.len() - HEADER_LENGTH + FINGERPRINT_LENGTH;
        let Ok(total) = u16::try_from(total) else {
            return self.bytes;
        };
        self.bytes[2..4].copy_from_slice(&total.to_be_bytes());
        let sum = fingerprint(&self.bytes);
        self.attribute(attribute::FINGERPRINT, &sum.to_be_bytes())
            .bytes
    }

    /// The message without a FINGERPRINT.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

impl TransactionId {
    /// What addresses are combined with: the cookie, and for IPv6 the transaction id behind it.
    fn mask(&self) -> [u8; 16] {
        let mut mask = [0; 16];
        mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        mask[4..].copy_from_slice(&self.0);
        mask
    }
}

/// The class and the method are woven into each other [RFC 8489 § 5].
fn from_type(kind: u16) -> (Class, u16) {
    let class = match (kind & 0x0100 != 0, kind & 0x0010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    };
    let method = (kind & 0x000f) | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2;
    (class, method)
}

fn to_type(class: Class, method: u16) -> u16 {
    let class = match class {
        Class::Request => 0,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    class | (method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2
}

/// The first attribute, and what follows its padding.
fn split(body: &[u8]) -> Result<(Attribute<'_>, &[u8]), StunError> {
    let ([k0, k1, l0, l1], rest) = body
        .split_first_chunk()
        .ok_or(StunError::Bounds { kind: 0 })?;
    let kind = u16::from_be_bytes([*k0, *k1]);
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let (padded, after) = rest
        .split_at_checked(length.next_multiple_of(4))
        .ok_or(StunError::Bounds { kind })?;
    let value = &padded[..length];
    Ok((Attribute { kind, value }, after))
}

fn text(kind: u16, value: &[u8]) -> Result<&str, StunError> {
    match std::str::from_utf8(value) {
        Ok(text) if value.len() <= MAX_TEXT_BYTES => Ok(text),
        _ => Err(StunError::Value { kind }),
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn xored<const N: usize>(bytes: &[u8], mask: &[u8; 16]) -> [u8; N] {
    let mut out = [0; N];
    for (out, (byte, mask)) in out.iter_mut().zip(bytes.iter().zip(mask)) {
        *out = byte ^ mask;
    }
    out
}

fn fingerprint(before: &[u8]) -> u32 {
    crc32(before) ^ FINGERPRINT_XOR
}

/// The checksum of ITU-T V.42 and Ethernet.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        CRC_TABLE[usize::from((crc as u8) ^ byte)] ^ (crc >> 8)
    })
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = match crc & 1 {
                1 => (crc >> 1) ^ 0xedb8_8320,
                _ => crc >> 1,
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests;
