//! Acknowledgements [RFC 9000 § 19.3, draft-ietf-quic-multipath § 4.1].

use std::ops::RangeInclusive;

use super::FrameError;
use super::body::Body;
use crate::varint::read_varint;

/// ACK or PATH_ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The path, of PATH_ACK.
    pub path: Option<u64>,
    /// For how long the largest packet was not acknowledged, in units of two to the power of the sender's
    /// `ack_delay_exponent` microseconds.
    pub delay: u64,
    /// The packets.
    pub ranges: AckRanges<'a>,
    /// How many packets came with which codepoint, when that is told.
    pub ecn: Option<EcnCounts>,
}

/// Totals of the ECN codepoints seen [RFC 9000 § 19.3.2].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcnCounts {
    /// ECT(0).
    pub ect0: u64,
    /// ECT(1).
    pub ect1: u64,
    /// Congestion experienced.
    pub ce: u64,
}

/// The packet numbers of an acknowledgement, the largest first. They neither touch nor overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckRanges<'a> {
    largest: u64,
    first: u64,
    /// Pairs of a gap and a length.
    others: &'a [u8],
}

impl<'a> Ack<'a> {
    pub(super) fn read(
        path: Option<u64>,
        ecn: bool,
        body: &mut Body<'a>,
    ) -> Result<Self, FrameError> {
        let largest = body.number()?;
        let delay = body.number()?;
        let ranges = AckRanges::read(largest, body)?;
        let ecn = match ecn {
            false => None,
            true => Some(EcnCounts {
                ect0: body.number()?,
                ect1: body.number()?,
                ce: body.number()?,
            }),
        };
        Ok(Self {
            path,
            delay,
            ranges,
            ecn,
        })
    }
}

impl<'a> AckRanges<'a> {
    /// Reads them all once, so that iterating later can't fail.
    fn read(largest: u64, body: &mut Body<'a>) -> Result<Self, FrameError> {
        let count = body.number()?;
        let first = body.number()?;
        let mut smallest = largest.checked_sub(first).ok_or_else(|| body.malformed())?;
        let others = body.rest();
        for _ in 0..count {
            let (gap, length) = (body.number()?, body.number()?);
            smallest = below(smallest, gap)
                .and_then(|end| end.checked_sub(length))
                .ok_or_else(|| body.malformed())?;
        }
        Ok(Self {
            largest,
            first,
            others: &others[..others.len() - body.rest().len()],
        })
    }

    /// The largest packet number.
    pub const fn largest(&self) -> u64 {
        self.largest
    }

    /// The ranges, the largest first.
    pub fn iter(&self) -> impl Iterator<Item = RangeInclusive<u64>> + use<'a> {
        let first = self.largest - self.first..=self.largest;
        let mut smallest = *first.start();
        let mut others = self.others;
        let next = std::iter::from_fn(move || {
            let (gap, rest) = read_varint(others)?;
            let (length, rest) = read_varint(rest)?;
            let end = below(smallest, gap)?;
            smallest = end.checked_sub(length)?;
            others = rest;
            Some(smallest..=end)
        });
        std::iter::once(first).chain(next)
    }
}

/// The end of the range below one that begins at `smallest`: a gap of n leaves n + 1 packets out.
fn below(smallest: u64, gap: u64) -> Option<u64> {
    smallest.checked_sub(gap)?.checked_sub(2)
}
