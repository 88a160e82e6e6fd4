//! Packets that browsers' sessions carry, on their way between two connections of this peer: the one that they belong to, and that of HTTP/3
//! which the session is on.
//!
//! A session on the path of [`PATH`] is a carrier. A packet is a datagram of it; what does not fit into one, and what the remote prefers
//! to write so, goes on a stream, behind its length in two bytes.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::carrier::{FIRST_RELAY, FIRST_SESSION, Route};
use crate::event::ConnectionKey;

/// The path that makes a session a carrier.
pub(crate) const PATH: &str = "/.well-known/anypath/1";

/// The largest packet that a session carries. Larger ones fit into no datagram of most browsers, and on a stream they would make path MTU
/// discovery believe in them.
pub(crate) const MAX_PACKET: usize = 1200;

/// The largest packet that is taken from a stream: no peer sends a larger one.
const MAX_RECEIVED: usize = 1472;

/// A packet's length before it, on a stream.
const LENGTH: usize = 2;

/// What waits for one turn.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Packets that a session has brought.
    pub(crate) arrived: VecDeque<(Route, Bytes)>,
    /// Packets that a session has to bring to its client, of one size but for the last.
    pub(crate) leaving: VecDeque<(ConnectionKey, usize, Vec<u8>)>,
}

impl Carried {
    /// Takes packets of that size if the route is over a session.
    pub(crate) fn take(&mut self, route: Route, size: usize, packets: &[u8]) -> bool {
        let Some(session) = session_of(route.carrier) else {
            return false;
        };
        self.leaving.push_back((session, size, packets.to_vec()));
        true
    }
}

/// The carrier that a session is; `None` for one of which the key is too large, after half a billion connections.
pub(crate) fn carrier_of(session: ConnectionKey) -> Option<u32> {
    let id = FIRST_SESSION.checked_add(session)?;
    (id < FIRST_RELAY).then_some(id)
}

/// The session that a carrier is.
fn session_of(carrier: u32) -> Option<ConnectionKey> {
    (FIRST_SESSION..FIRST_RELAY)
        .contains(&carrier)
        .then(|| carrier - FIRST_SESSION)
}

/// What a stream has brought that is no whole packet yet.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    rest: Vec<u8>,
}

impl Packets {
    /// Takes more bytes and gives the packets that are whole.
    ///
    /// # Errors
    /// [`PacketError`] for a length that no packet has.
    pub(crate) fn push(&mut self, mut bytes: Vec<u8>) -> Result<Vec<Bytes>, PacketError> {
        if !self.rest.is_empty() {
            self.rest.append(&mut bytes);
            bytes = std::mem::take(&mut self.rest);
        }
        let bytes = Bytes::from(bytes);
        let (mut at, mut packets) = (0, Vec::new());
        while let Some([high, low]) = bytes.get(at..at + LENGTH) {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if length == 0 || length > MAX_RECEIVED {
                return Err(PacketError);
            }
            let end = at + LENGTH + length;
            if end > bytes.len() {
                break;
            }
            packets.push(bytes.slice(at + LENGTH..end));
            at = end;
        }
        self.rest = bytes[at..].to_vec();
        Ok(packets)
    }
}

/// Writes a packet as a stream has it.
pub(crate) fn on_stream(packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), packet].concat()
}

/// A length that no packet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PacketError;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_length_that_no_packet_has_is_an_error() {
        for bytes in [[0, 0], [0xff, 0xff], [5, 0xc1]] {
            assert_eq!(Packets::default().push(bytes.into()), Err(PacketError));
        }
        for bytes in [&[][..], &[5], &[0, 2, 7]] {
            assert_eq!(Packets::default().push(bytes.into()), Ok(Vec::new()));
        }
    }

    #[test]
    fn a_session_and_its_carrier_know_each_other() {
        for session in [1, 77, FIRST_RELAY - FIRST_SESSION - 1] {
            assert_eq!(carrier_of(session).and_then(session_of), Some(session));
        }
        assert_eq!(carrier_of(FIRST_RELAY - FIRST_SESSION), None);
        assert_eq!(carrier_of(u32::MAX), None);
        assert_eq!(session_of(0), None);
        assert_eq!(session_of(FIRST_RELAY), None);
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_they_are_cut(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=MAX_RECEIVED), 0..20),
            cut in 1_usize..3000,
        ) {
            let written: Vec<u8> = packets.iter().flat_map(|packet| on_stream(packet)).collect();
            let (mut stream, mut read) = (Packets::default(), Vec::new());
            for piece in written.chunks(cut) {
                let found = stream.push(piece.to_vec()).expect("packets");
                read.extend(found.iter().map(|packet| packet.to_vec()));
            }
            prop_assert_eq!(read, packets);
            prop_assert!(stream.rest.is_empty());
        }
    }
}
