//! Reading the fields of one frame.

use super::FrameError;
use crate::varint::read_varint;

/// What is left of a payload, and the type of the frame that is being read.
#[derive(Debug)]
pub(super) struct Body<'a> {
    rest: &'a [u8],
    frame_type: u64,
}

impl<'a> Body<'a> {
    pub(super) const fn new(payload: &'a [u8]) -> Self {
        Self {
            rest: payload,
            frame_type: 0,
        }
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn frame_type(&mut self) -> Result<u64, FrameError> {
        self.frame_type = self.number()?;
        Ok(self.frame_type)
    }

    pub(super) fn number(&mut self) -> Result<u64, FrameError> {
        let (number, rest) = read_varint(self.rest).ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(number)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// A byte string behind its length.
    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], FrameError> {
        let length = self.number()?;
        let length = usize::try_from(length).map_err(|_| self.truncated())?;
        self.take(length)
    }

    /// Everything that is left.
    pub(super) fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Skips zeros and tells how many there were.
    pub(super) fn zeros(&mut self) -> usize {
        let count = self.rest.iter().take_while(|byte| **byte == 0).count();
        self.rest = &self.rest[count..];
        count
    }

    pub(super) const fn malformed(&self) -> FrameError {
        FrameError::Malformed {
            frame_type: self.frame_type,
        }
    }

    const fn truncated(&self) -> FrameError {
        FrameError::Truncated {
            frame_type: self.frame_type,
        }
    }
}
