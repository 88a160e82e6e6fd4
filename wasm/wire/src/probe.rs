//! Probes of the birthday scheme: small datagrams by which two peers find a pair of ports that their NATs let through.
//!
//! A probe has a first byte that RFC 9443 leaves free, so that a shared socket tells it from QUIC and STUN. Its code is
//! made and checked by who holds the key; this module only says which bytes the code covers.

use thiserror::Error;

/// The first byte: neither STUN, DTLS, RTP, TURN nor QUIC begins with it [RFC 9443 § 3].
pub const FIRST_BYTE: u8 = 0x0b;

/// How many bytes a probe has. Every probe has as many, so that an answer amplifies nothing.
pub const PROBE_LENGTH: usize = COVERED_LENGTH + CODE_LENGTH;

/// How many bytes the message authentication code has.
pub const CODE_LENGTH: usize = 32;

/// How many bytes the code covers: all that come before it.
pub const COVERED_LENGTH: usize = 18;

/// Set in an answer, clear in a probe.
const ANSWER: u8 = 1;
/// Set in what QUIC's server sends, clear in what its client sends.
const FROM_SERVER: u8 = 2;

/// Why a datagram is no probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProbeError {
    /// It is longer or shorter than [`PROBE_LENGTH`].
    #[error("a probe has {PROBE_LENGTH} bytes, not {length}")]
    Length {
        /// How many bytes there were.
        length: usize,
    },
    /// It begins as another protocol does.
    #[error("a datagram that begins with {first:#04x} is no probe")]
    FirstByte {
        /// What it begins with.
        first: u8,
    },
    /// Its flags are none that this version knows.
    #[error("the flags {flags:#04x} of a probe are unknown")]
    Flags {
        /// What they are.
        flags: u8,
    },
}

/// What a probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Whether it answers a probe, whose nonce it then has.
    pub answer: bool,
    /// Whether QUIC's server sent it. Both sides have the same key: without this a probe could be sent back to its sender.
    pub from_server: bool,
    /// Finds the attempt that it belongs to, and so the key.
    pub tag: [u8; 8],
    /// Never the same twice in an attempt, but for the answer.
    pub nonce: u64,
}

impl Probe {
    /// Writes the probe; `code` makes the message authentication code of the bytes that it is given.
    pub fn write(&self, code: impl FnOnce(&[u8]) -> [u8; CODE_LENGTH]) -> [u8; PROBE_LENGTH] {
        let mut out = [0; PROBE_LENGTH];
        out[0] = FIRST_BYTE;
        out[1] = (u8::from(self.answer) * ANSWER) | (u8::from(self.from_server) * FROM_SERVER);
        out[2..10].copy_from_slice(&self.tag);
        out[10..COVERED_LENGTH].copy_from_slice(&self.nonce.to_be_bytes());
        let code = code(&out[..COVERED_LENGTH]);
        out[COVERED_LENGTH..].copy_from_slice(&code);
        out
    }
}

/// A probe as it arrived: nothing in it is to be believed before its code is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// What it says.
    pub probe: Probe,
    /// The bytes that the code covers.
    pub covered: &'a [u8; COVERED_LENGTH],
    /// The code, to be compared in constant time.
    pub code: &'a [u8; CODE_LENGTH],
}

/// Takes a datagram apart.
///
/// # Errors
/// [`ProbeError`] when it is no probe.
pub fn parse(datagram: &[u8]) -> Result<Received<'_>, ProbeError> {
    let length = datagram.len();
    let wrong = ProbeError::Length { length };
    let (covered, code) = datagram
        .split_first_chunk::<COVERED_LENGTH>()
        .ok_or(wrong)?;
    let code = <&[u8; CODE_LENGTH]>::try_from(code).map_err(|_| wrong)?;
    let [first, flags, t0, t1, t2, t3, t4, t5, t6, t7, nonce @ ..] = *covered;
    if first != FIRST_BYTE {
        return Err(ProbeError::FirstByte { first });
    }
    if flags & !(ANSWER | FROM_SERVER) != 0 {
        return Err(ProbeError::Flags { flags });
    }
    let probe = Probe {
        answer: flags & ANSWER != 0,
        from_server: flags & FROM_SERVER != 0,
        tag: [t0, t1, t2, t3, t4, t5, t6, t7],
        nonce: u64::from_be_bytes(nonce),
    };
    Ok(Received {
        probe,
        covered,
        code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quic::{Datagram, classify};
    use proptest::prelude::*;

    fn bytes() -> [u8; PROBE_LENGTH] {
        let probe = Probe {
            answer: true,
            from_server: false,
            tag: *b"attempt1",
            nonce: 7,
        };
        probe.write(|_| [9; CODE_LENGTH])
    }

    #[test]
    fn a_probe_is_small_and_told_from_other_protocols() {
        const { assert!(PROBE_LENGTH < 60) };
        assert_eq!(classify(&bytes()), Datagram::Probe);
        assert_eq!(classify(&bytes()[1..]), Datagram::Unknown);
    }

    #[test]
    fn each_fault_has_its_own_error() {
        let length = PROBE_LENGTH - 1;
        assert_eq!(parse(&bytes()[1..]), Err(ProbeError::Length { length }));
        assert_eq!(parse(&[]), Err(ProbeError::Length { length: 0 }));
        let mut other = bytes();
        other[0] = 0x40;
        assert_eq!(parse(&other), Err(ProbeError::FirstByte { first: 0x40 }));
        let mut other = bytes();
        other[1] = 4;
        assert_eq!(parse(&other), Err(ProbeError::Flags { flags: 4 }));
    }

    proptest! {
        #[test]
        fn every_probe_reads_back(answer: bool, from_server: bool, tag: [u8; 8], nonce: u64, code: [u8; CODE_LENGTH]) {
            let probe = Probe { answer, from_server, tag, nonce };
            let mut seen = Vec::new();
            let bytes = probe.write(|covered| {
                seen.extend_from_slice(covered);
                code
            });
            let received = parse(&bytes);
            prop_assert_eq!(received, Ok(Received { probe, covered: seen[..].try_into().expect("its length"), code: &code }));
        }

        #[test]
        fn a_changed_byte_changes_what_the_code_covers_or_the_code(index in 0..PROBE_LENGTH, flip in 1_u8..) {
            let whole = bytes();
            let mut changed = whole;
            changed[index] ^= flip;
            if let (Ok(before), Ok(after)) = (parse(&whole), parse(&changed)) {
                prop_assert!(before.covered != after.covered || before.code != after.code);
            }
        }
    }
}
