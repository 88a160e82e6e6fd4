//! Which protocol a UDP datagram on the shared socket belongs to [RFC 9443 § 3, RFC 7983 § 7], and
//! what every version of QUIC shows in its packets [RFC 8999].

use thiserror::Error;

use crate::probe::{FIRST_BYTE, PROBE_LENGTH};

/// The protocol of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagram {
    /// QUIC.
    Quic,
    /// STUN: the first byte, the magic cookie and the length all agree [RFC 8489 § 5].
    Stun,
    /// A probe of the birthday scheme: the first byte and the length agree.
    Probe,
    /// DTLS.
    Dtls,
    /// TURN channel data; only from a TURN server, else these first bytes are QUIC's.
    TurnChannel,
    /// RTP or RTCP.
    Rtp,
    /// ZRTP.
    Zrtp,
    /// None of them: to be dropped and counted.
    Unknown,
}

const STUN_HEADER: usize = 20;
const STUN_MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

/// The protocol of a datagram from anyone but a TURN server that this socket uses.
///
/// QUIC is recognised by its fixed bit, so the socket must not grease it [RFC 9443 § 3]. An empty
/// datagram is [`Datagram::Unknown`].
pub fn classify(datagram: &[u8]) -> Datagram {
    match classify_from_turn_server(datagram) {
        Datagram::TurnChannel => Datagram::Quic,
        kind => kind,
    }
}

/// The protocol of a datagram from a TURN server, whose channel data share first bytes with QUIC.
pub fn classify_from_turn_server(datagram: &[u8]) -> Datagram {
    match datagram.first() {
        Some(&FIRST_BYTE) if datagram.len() == PROBE_LENGTH => Datagram::Probe,
        None | Some(4..=15) => Datagram::Unknown,
        Some(0..=3) if is_stun(datagram) => Datagram::Stun,
        Some(0..=3) => Datagram::Unknown,
        Some(16..=19) => Datagram::Zrtp,
        Some(20..=63) => Datagram::Dtls,
        Some(64..=79) => Datagram::TurnChannel,
        Some(80..=127 | 192..=255) => Datagram::Quic,
        Some(128..=191) => Datagram::Rtp,
    }
}

fn is_stun(datagram: &[u8]) -> bool {
    let Some((&[_, _, a, b, c, d, e, f], _)) = datagram.split_first_chunk() else {
        return false;
    };
    let body = usize::from(u16::from_be_bytes([a, b]));
    [c, d, e, f] == STUN_MAGIC_COOKIE
        && body.is_multiple_of(4)
        && datagram.len() == STUN_HEADER + body
}

/// What a packet of any QUIC version shows [RFC 8999 § 5].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariants<'a> {
    /// A long header.
    Long {
        /// The version; 0 is Version Negotiation.
        version: u32,
        /// The destination connection id.
        destination: &'a [u8],
        /// The source connection id.
        source: &'a [u8],
    },
    /// A short header, with all that follows its first byte: the destination connection id, whose
    /// length only its owner knows, and the rest.
    Short {
        /// What follows the first byte.
        rest: &'a [u8],
    },
}

/// Why a datagram can't be a QUIC packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvariantsError {
    /// It ends within the header.
    #[error("the QUIC packet ends within its header")]
    Truncated,
}

/// Reads the version-independent header of the first packet in a datagram.
///
/// # Errors
/// [`InvariantsError::Truncated`] when the datagram ends within it.
pub fn invariants(datagram: &[u8]) -> Result<Invariants<'_>, InvariantsError> {
    const LONG: u8 = 0x80;
    let (first, rest) = datagram.split_first().ok_or(InvariantsError::Truncated)?;
    if first & LONG == 0 {
        return Ok(Invariants::Short { rest });
    }
    let (version, rest) = rest.split_first_chunk().ok_or(InvariantsError::Truncated)?;
    let (destination, rest) = connection_id(rest)?;
    let (source, _) = connection_id(rest)?;
    Ok(Invariants::Long {
        version: u32::from_be_bytes(*version),
        destination,
        source,
    })
}

fn connection_id(bytes: &[u8]) -> Result<(&[u8], &[u8]), InvariantsError> {
    let (length, rest) = bytes.split_first().ok_or(InvariantsError::Truncated)?;
    rest.split_at_checked(usize::from(*length))
        .ok_or(InvariantsError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stun_binding_request() -> Vec<u8> {
        let mut request = vec![0x00, 0x01, 0x00, 0x04, 0x21, 0x12, 0xa4, 0x42];
        request.extend([7; 12]);
        request.extend([0x80, 0x22, 0x00, 0x00]);
        request
    }

    #[test]
    fn the_first_byte_decides_as_rfc_9443_draws_it() {
        let ranges = [
            (0..=15, Datagram::Unknown),
            (16..=19, Datagram::Zrtp),
            (20..=63, Datagram::Dtls),
            (64..=127, Datagram::Quic),
            (128..=191, Datagram::Rtp),
            (192..=255, Datagram::Quic),
        ];
        for (range, kind) in ranges {
            for first in range {
                assert_eq!(classify(&[first; 24]), kind, "first byte {first}");
            }
        }
        assert_eq!(classify(&[]), Datagram::Unknown);
        assert_eq!(classify_from_turn_server(&[64; 24]), Datagram::TurnChannel);
        assert_eq!(classify_from_turn_server(&[80; 24]), Datagram::Quic);
    }

    #[test]
    fn stun_needs_its_cookie_and_its_length() {
        let request = stun_binding_request();
        assert_eq!(classify(&request), Datagram::Stun);
        assert_eq!(classify(&request[..23]), Datagram::Unknown);
        for index in 2..8 {
            let mut broken = request.clone();
            broken[index] ^= 1;
            assert_eq!(classify(&broken), Datagram::Unknown, "byte {index}");
        }
    }

    #[test]
    fn a_long_header_shows_version_and_connection_ids() {
        let packet = [0xc3, 0, 0, 0, 1, 2, 8, 9, 1, 7, 0xff];
        let long = Invariants::Long {
            version: 1,
            destination: &[8, 9],
            source: &[7],
        };
        assert_eq!(invariants(&packet), Ok(long));
        for cut in 0..10 {
            let cut = invariants(&packet[..cut]);
            assert_eq!(cut, Err(InvariantsError::Truncated));
        }
        let short = Invariants::Short { rest: &[1, 2] };
        assert_eq!(invariants(&[0x43, 1, 2]), Ok(short));
    }

    proptest! {
        #[test]
        fn no_datagram_panics(datagram: Vec<u8>) {
            let _ = classify(&datagram);
            let _ = invariants(&datagram);
        }
    }
}
