//! The capsules that end a session (draft-ietf-webtrans-http3, "Session Termination").
//!
//! A capsule is laid out as a [`frame`](super::frame) is.

use thiserror::Error;

use super::frame;

/// An HTTP datagram on the session's own stream ([RFC 9297 § 3.5]).
///
/// [RFC 9297 § 3.5]: https://www.rfc-editor.org/rfc/rfc9297#section-3.5
pub const DATAGRAM: u64 = 0x00;
/// The session is over.
pub const CLOSE_SESSION: u64 = 0x2843;
/// The session will be over before long.
pub const DRAIN_SESSION: u64 = 0x78ae;

/// The longest reason, in bytes.
pub const MAX_REASON: usize = 1024;

/// The longest payload of [`CLOSE_SESSION`].
pub const MAX_CLOSE: usize = 4 + MAX_REASON;

/// Why a payload is not that of [`CLOSE_SESSION`]; the answer is `H3_MESSAGE_ERROR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CloseError {
    /// There is no code, or more reason than is allowed.
    #[error("{0} bytes are no code and reason")]
    Length(usize),
    /// The reason is not UTF-8.
    #[error("the reason is not UTF-8")]
    Utf8,
}

/// An application's code and reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close<'a> {
    /// The code.
    pub code: u32,
    /// The reason, for people.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// Reads the payload of [`CLOSE_SESSION`].
    ///
    /// # Errors
    /// [`CloseError`].
    pub fn read(payload: &'a [u8]) -> Result<Self, CloseError> {
        let too_long = payload.len() > MAX_CLOSE;
        let (code, reason) = payload
            .split_first_chunk()
            .filter(|_| !too_long)
            .ok_or(CloseError::Length(payload.len()))?;
        Ok(Self {
            code: u32::from_be_bytes(*code),
            reason: std::str::from_utf8(reason).map_err(|_| CloseError::Utf8)?,
        })
    }

    /// Appends the capsule. A reason that is too long is cut where a character ends.
    pub fn write(&self, out: &mut Vec<u8>) {
        let end = self.reason.floor_char_boundary(MAX_REASON);
        let mut payload = self.code.to_be_bytes().to_vec();
        payload.extend_from_slice(&self.reason.as_bytes()[..end]);
        frame::write(CLOSE_SESSION, &payload, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_too_short_too_long_or_no_text_is_refused() {
        assert_eq!(Close::read(&[0; 3]), Err(CloseError::Length(3)));
        let long = [0; MAX_CLOSE + 1];
        assert_eq!(Close::read(&long), Err(CloseError::Length(MAX_CLOSE + 1)));
        assert_eq!(Close::read(&[0, 0, 0, 1, 0xff]), Err(CloseError::Utf8));
        assert!(Close::read(&long[..MAX_CLOSE]).is_ok());
    }

    proptest! {
        #[test]
        fn every_close_reads_back(code: u32, reason in "\\PC{0,600}") {
            let mut out = Vec::new();
            Close { code, reason: &reason }.write(&mut out);
            let (head, taken) = frame::read_head(&out).expect("our own");
            prop_assert_eq!(head.kind, CLOSE_SESSION);
            let read = Close::read(&out[taken..]).expect("our own");
            prop_assert_eq!(read.code, code);
            prop_assert!(reason.starts_with(read.reason));
            prop_assert!(read.reason.len() == reason.len() || read.reason.len() > MAX_REASON - 4);
        }
    }
}
