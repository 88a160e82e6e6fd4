//! The datagrams within a message: one, or several of the same size.

use std::num::NonZeroU16;
use std::slice::Chunks;

use super::{Body, DecodeError, EncodeError, MAX_BODY, MessageType};
use crate::id::{EndpointId, ID_LENGTH};

/// The most bytes that the contents of a message with datagrams may have, whether one or several.
pub const MAX_CONTENTS: usize = MAX_BODY - ID_LENGTH - ECN_LENGTH - SEGMENT_LENGTH;

const ECN_LENGTH: usize = 1;
const SEGMENT_LENGTH: usize = 2;

/// The ECN codepoint of an IP header [RFC 3168 § 5].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[repr(u8)]
pub enum Ecn {
    /// Not ECN-capable.
    #[default]
    NotEct = 0b00,
    /// ECN-capable transport, 1.
    Ect1 = 0b01,
    /// ECN-capable transport, 0.
    Ect0 = 0b10,
    /// Congestion experienced.
    Ce = 0b11,
}

/// One datagram, or several of the same size of which the last may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagrams<'a> {
    /// What congestion notification came or goes with them.
    pub ecn: Ecn,
    /// The size of each but the last; `None` when the contents are one datagram.
    pub segment_size: Option<NonZeroU16>,
    /// Their bytes, one after another.
    pub contents: &'a [u8],
}

/// The packets of a message, none of them empty.
#[derive(Debug, Clone)]
pub struct Packets<'a>(Chunks<'a, u8>);

impl Ecn {
    /// The codepoint in the lower two bits of `bits`.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            0b11 => Self::Ce,
            _ => Self::NotEct,
        }
    }

    /// The two bits.
    pub const fn bits(self) -> u8 {
        self as u8
    }
}

impl<'a> Datagrams<'a> {
    /// One datagram without ECN.
    pub const fn one(packet: &'a [u8]) -> Self {
        Self {
            ecn: Ecn::NotEct,
            segment_size: None,
            contents: packet,
        }
    }

    /// The packets one after another. Empty contents hold none.
    pub fn packets(&self) -> Packets<'a> {
        let size = match self.segment_size {
            Some(size) => usize::from(size.get()),
            None => self.contents.len().max(1),
        };
        Packets(self.contents.chunks(size))
    }

    /// How many bytes the message has, its type included.
    pub(super) const fn message_len(&self) -> usize {
        1 + self.body_len()
    }

    const fn body_len(&self) -> usize {
        let segment = match self.segment_size {
            Some(_) => SEGMENT_LENGTH,
            None => 0,
        };
        ID_LENGTH + ECN_LENGTH + segment + self.contents.len()
    }

    /// Reads the body of a message that holds one datagram, or several if `is_batch`.
    pub(super) fn read(
        body: Body<'a>,
        is_batch: bool,
    ) -> Result<(EndpointId, Datagrams<'a>), DecodeError> {
        let (id, rest) = body.split::<ID_LENGTH>()?;
        let (&ecn, mut contents) = rest.split_first().ok_or_else(|| body.wrong_length())?;
        let mut segment_size = None;
        if is_batch {
            let (size, rest) = contents
                .split_first_chunk()
                .ok_or_else(|| body.wrong_length())?;
            segment_size = NonZeroU16::new(u16::from_be_bytes(*size));
            contents = rest;
        }
        let datagrams = Datagrams {
            ecn: Ecn::from_bits(ecn),
            segment_size,
            contents,
        };
        Ok((EndpointId(id), datagrams))
    }

    /// Writes a whole message, of the type `one` or `several`.
    pub(super) fn write(
        &self,
        [one, several]: [MessageType; 2],
        id: &EndpointId,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let kind = match self.segment_size {
            Some(_) => several,
            None => one,
        };
        kind.write(self.body_len(), out)?;
        out.extend_from_slice(id.as_bytes());
        out.push(self.ecn.bits());
        if let Some(size) = self.segment_size {
            out.extend_from_slice(&size.get().to_be_bytes());
        }
        out.extend_from_slice(self.contents);
        Ok(())
    }
}

impl<'a> IntoIterator for Datagrams<'a> {
    type Item = &'a [u8];
    type IntoIter = Packets<'a>;

    fn into_iter(self) -> Packets<'a> {
        self.packets()
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Packets<'_> {}
impl std::iter::FusedIterator for Packets<'_> {}
