//! What a connection's keys have recorded and nobody has taken yet.

use super::packet::Packet;
use super::parameters::Parameters;

/// What a tape holds before packets are only counted. It is emptied after each datagram received and after
/// each 64 KiB sent, so nothing but a fault elsewhere fills it.
const MAX_BYTES: usize = 1 << 20;

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    PacketSent,
    PacketReceived,
    ParametersSet,
}

impl Kind {
    /// The event's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PacketSent => "quic:packet_sent",
            Self::PacketReceived => "quic:packet_received",
            Self::ParametersSet => "quic:parameters_set",
        }
    }
}

/// The data of events, as JSON, in the order in which they happened.
#[derive(Default)]
pub(crate) struct Tape {
    json: String,
    /// What each piece of `json` tells, and where it ends.
    ends: Vec<(Kind, usize)>,
    dropped: u64,
}

impl Tape {
    /// Records a packet.
    pub(crate) fn packet(&mut self, kind: Kind, packet: &Packet<'_>) {
        if self.json.len() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        packet.write(&mut self.json);
        self.ends.push((kind, self.json.len()));
    }

    /// Records transport parameters.
    pub(crate) fn parameters(&mut self, local: bool, parameters: Parameters<'_>) {
        parameters.write(local, &mut self.json);
        self.ends.push((Kind::ParametersSet, self.json.len()));
    }

    /// The records.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Kind, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |(kind, end)| {
            let data = &self.json[start..*end];
            start = *end;
            (*kind, data)
        })
    }

    /// How many packets there was no room for.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets everything but keeps the room for it.
    pub(crate) fn clear(&mut self) {
        self.json.clear();
        self.ends.clear();
        self.dropped = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qlog::Level;

    #[test]
    fn a_full_tape_counts_what_it_has_no_room_for() {
        let packet = Packet {
            level: Level::OneRtt,
            path: 0,
            number: 7,
            header: &[0x40, 1, 2, 7],
            payload: &[1],
            tag_len: 16,
            ack_delay_exponent: 3,
        };
        let mut tape = Tape::default();
        for _ in 0..20_000 {
            tape.packet(Kind::PacketSent, &packet);
        }
        let kept = tape.records().count() as u64;
        assert!(tape.json.len() < MAX_BYTES + 1000);
        assert!(tape.dropped() > 0 && kept + tape.dropped() == 20_000);
        tape.clear();
        assert_eq!((tape.records().count(), tape.dropped()), (0, 0));
    }
}
