//! Error codes ([RFC 9114 § 8.1], [RFC 9204 § 6]), and those of applications within them.
//!
//! [RFC 9114 § 8.1]: https://www.rfc-editor.org/rfc/rfc9114#section-8.1
//! [RFC 9204 § 6]: https://www.rfc-editor.org/rfc/rfc9204#section-6

/// Nothing is wrong.
pub const NO_ERROR: u64 = 0x100;
/// What no other code says.
pub const GENERAL_PROTOCOL_ERROR: u64 = 0x101;
/// A stream that the other side may not open.
pub const STREAM_CREATION_ERROR: u64 = 0x103;
/// A stream ended that has to last as long as the connection.
pub const CLOSED_CRITICAL_STREAM: u64 = 0x104;
/// A frame that does not belong there.
pub const FRAME_UNEXPECTED: u64 = 0x105;
/// A frame whose length or layout is wrong.
pub const FRAME_ERROR: u64 = 0x106;
/// The other side makes this one hold too much.
pub const EXCESSIVE_LOAD: u64 = 0x107;
/// A stream or push id that can't be.
pub const ID_ERROR: u64 = 0x108;
/// Settings that contradict themselves.
pub const SETTINGS_ERROR: u64 = 0x109;
/// A control stream that does not begin with settings.
pub const MISSING_SETTINGS: u64 = 0x10a;
/// A request that was not processed.
pub const REQUEST_REJECTED: u64 = 0x10b;
/// A request that ended too early.
pub const REQUEST_INCOMPLETE: u64 = 0x10d;
/// A message that is none.
pub const MESSAGE_ERROR: u64 = 0x10e;
/// Fields that can't be read.
pub const QPACK_DECOMPRESSION_FAILED: u64 = 0x200;
/// An instruction to a table that does not exist.
pub const QPACK_ENCODER_STREAM_ERROR: u64 = 0x201;
/// Too many streams wait for their session.
pub const BUFFERED_STREAM_REJECTED: u64 = 0x3994_bd84;
/// The stream's session is over.
pub const SESSION_GONE: u64 = 0x170d_7b68;
/// A datagram that names no session.
pub const DATAGRAM_ERROR: u64 = 0x33;

/// Where the codes of applications begin (draft-ietf-webtrans-http3, "Resetting Data Streams").
const FIRST_APPLICATION: u64 = 0x52e4_a40f_a8db;
const LAST_APPLICATION: u64 = 0x52e5_ac98_3162;

/// An application's stream error code as it is on the wire: codes that are reserved for greasing are left out.
pub fn from_application(code: u32) -> u64 {
    FIRST_APPLICATION + u64::from(code) + u64::from(code) / 0x1e
}

/// The application's code in one from the wire; `None` when it is HTTP's own.
pub fn to_application(code: u64) -> Option<u32> {
    if !(FIRST_APPLICATION..=LAST_APPLICATION).contains(&code) || is_reserved(code) {
        return None;
    }
    let shifted = code - FIRST_APPLICATION;
    u32::try_from(shifted - shifted / 0x1f).ok()
}

/// Whether a type, setting or code exists only to be ignored ([RFC 9114 § 7.2.8]).
///
/// [RFC 9114 § 7.2.8]: https://www.rfc-editor.org/rfc/rfc9114#section-7.2.8
pub fn is_reserved(number: u64) -> bool {
    number >= 0x21 && (number - 0x21).is_multiple_of(0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_and_the_last_code_are_the_drafts() {
        assert_eq!(from_application(0), FIRST_APPLICATION);
        assert_eq!(from_application(u32::MAX), LAST_APPLICATION);
        assert_eq!(to_application(NO_ERROR), None);
        assert_eq!(to_application(LAST_APPLICATION + 1), None);
    }

    proptest! {
        #[test]
        fn every_code_reads_back_and_none_is_reserved(code: u32) {
            let wire = from_application(code);
            prop_assert!(!is_reserved(wire));
            prop_assert_eq!(to_application(wire), Some(code));
        }
    }
}
