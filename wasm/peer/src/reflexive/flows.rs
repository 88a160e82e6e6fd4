//! Which mappings this peer has made in its NAT: one that gives ports in a sequence is ahead by as many as there
//! are since a server told of one.

use std::collections::HashMap;
use std::net::SocketAddrV6;
use std::time::Duration;

use crate::clock::Instant;

/// After that much silence a NAT may have forgotten a mapping, and gives the next port to the flow.
const LIFETIME: Duration = Duration::from_secs(30);

/// Flows that are remembered. Whoever has more of them is not foretold, for it is too far ahead.
const MAX_FLOWS: usize = 1024;

/// From which of this peer's sockets to where.
pub(crate) type Flow = (u32, SocketAddrV6);

struct Seen {
    last: Instant,
    /// How many mappings had been made when this one was.
    number: u64,
    /// The same before the last one that was made for want of packets.
    before: u64,
}

/// The flows that leave this peer's sockets.
#[derive(Default)]
pub(crate) struct Flows {
    seen: HashMap<Flow, Seen>,
    made: u64,
}

impl Flows {
    /// Something is sent.
    pub(crate) fn note(&mut self, flow: Flow, now: Instant) {
        if let Some(seen) = self.seen.get_mut(&flow) {
            if now.saturating_duration_since(seen.last) > LIFETIME {
                self.made += 1;
                seen.before = std::mem::replace(&mut seen.number, self.made);
            }
            seen.last = now;
            return;
        }
        if self.seen.len() == MAX_FLOWS {
            self.seen
                .retain(|_, seen| now.saturating_duration_since(seen.last) <= LIFETIME);
        }
        self.made += 1;
        if self.seen.len() < MAX_FLOWS {
            let number = self.made;
            let seen = Seen {
                last: now,
                number,
                before: number,
            };
            self.seen.insert(flow, seen);
        }
    }

    /// A server tells of the mapping that it had told of before: after a silence no other one was made for the flow.
    pub(crate) fn kept(&mut self, flow: Flow) {
        let Some(seen) = self.seen.get_mut(&flow) else {
            return;
        };
        let number = std::mem::replace(&mut seen.number, seen.before);
        if number == seen.before {
            return;
        }
        self.made -= 1;
        for seen in self.seen.values_mut() {
            seen.number -= u64::from(seen.number > number);
            seen.before -= u64::from(seen.before > number);
        }
    }

    /// A server tells of another mapping than before: it was made by what was sent last.
    pub(crate) fn moved(&mut self, flow: Flow) {
        if let Some(seen) = self.seen.get_mut(&flow) {
            if seen.number == seen.before {
                self.made += 1;
                seen.number = self.made;
            }
            seen.before = seen.number;
        }
    }

    /// How many mappings were made after that flow's.
    pub(crate) fn made_since(&self, flow: Flow) -> u16 {
        let number = self.seen.get(&flow).map_or(self.made, |seen| seen.number);
        u16::try_from(self.made - number).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn flow(socket: u32, port: u16) -> Flow {
        (socket, SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0))
    }

    #[test]
    fn each_flow_is_counted_once_while_it_lives() {
        let (mut flows, now) = (Flows::default(), Instant::now());
        let server = flow(0, 1);
        flows.note(server, now);
        assert_eq!(flows.made_since(server), 0);
        for _ in 0..3 {
            flows.note(flow(0, 2), now);
            flows.note(flow(1, 2), now);
        }
        assert_eq!(flows.made_since(server), 2);
        flows.note(flow(0, 2), now + 29 * SECOND);
        assert_eq!(flows.made_since(server), 2);
        flows.note(flow(1, 2), now + 31 * SECOND);
        assert_eq!(flows.made_since(server), 3);
    }

    #[test]
    fn a_server_is_told_a_new_mapping_after_a_silence_unless_it_says_otherwise() {
        let (mut flows, now) = (Flows::default(), Instant::now());
        let server = flow(0, 1);
        flows.note(server, now);
        flows.note(flow(0, 2), now);
        flows.note(server, now + 31 * SECOND);
        assert_eq!(flows.made_since(server), 0);
        flows.note(flow(0, 3), now + 31 * SECOND);
        flows.kept(server);
        assert_eq!(flows.made_since(server), 2);
        assert_eq!(flows.made_since(flow(0, 2)), 1);
        assert_eq!(flows.made_since(flow(0, 9)), 0, "nobody was asked there");
    }

    #[test]
    fn silences_that_a_mapping_outlives_do_not_add_up() {
        let (mut flows, now) = (Flows::default(), Instant::now());
        let servers = [flow(0, 1), flow(0, 2)];
        for minute in 0..10 {
            for server in servers {
                flows.note(server, now + minute * 60 * SECOND);
            }
            for server in servers {
                if minute > 0 {
                    flows.kept(server);
                }
            }
            assert_eq!(servers.map(|server| flows.made_since(server)), [1, 0]);
        }
    }

    #[test]
    fn a_mapping_that_a_nat_has_lost_is_the_latest_when_a_server_tells_of_another() {
        let (mut flows, now) = (Flows::default(), Instant::now());
        let server = flow(0, 1);
        flows.note(server, now);
        flows.note(flow(0, 2), now);
        flows.note(server, now + SECOND);
        flows.moved(server);
        assert_eq!(flows.made_since(server), 0);
        flows.note(flow(0, 3), now + SECOND);
        flows.note(server, now + 40 * SECOND);
        flows.moved(server);
        assert_eq!(flows.made_since(server), 0, "it was noted already");
        assert_eq!(flows.made_since(flow(0, 3)), 1);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let (mut flows, now) = (Flows::default(), Instant::now());
        let server = flow(0, 1);
        flows.note(server, now);
        for number in 0..MAX_FLOWS as u32 + 10 {
            flows.note(flow(number + 1, 1), now);
        }
        assert_eq!(flows.seen.len(), MAX_FLOWS);
        assert_eq!(flows.made_since(server), MAX_FLOWS as u16 + 10);
        flows.note(flow(0, 2), now + 31 * SECOND);
        assert_eq!(flows.seen.len(), 1);
    }
}
