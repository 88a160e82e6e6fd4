//! Dialling several addresses with one QUIC connection.
//!
//! The connection dials a virtual address that stands for all of them. Until the server answers, every
//! datagram for it is copied to each address that is due, so a dead address costs nothing but the copies.
//! noq moves the connection to where the first authenticated answer comes from
//! (`server_handshake_migration`), and the acceptor sees one connection, since all copies carry the same
//! connection id. The stagger follows the spirit of RFC 8305.

use std::net::SocketAddr;
use std::time::Duration;

use crate::carrier::Route;
use crate::clock::Instant;

/// How many addresses one dial uses. A ticket may name more; a ticket is also something that a stranger
/// can make, to have others knock at doors of its choice.
pub const MAX_TARGETS: usize = 32;

/// How many datagrams are kept for targets whose turn comes later: a post-quantum ClientHello takes two.
const MAX_KEPT: usize = 4;

/// One address to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Where.
    pub route: Route,
    /// How long after the others' start.
    pub delay: Duration,
}

#[derive(Debug)]
pub(crate) struct Dial {
    /// The virtual address that QUIC sends to.
    pub(crate) mixed: SocketAddr,
    waiting: Vec<(Instant, Route)>,
    started: Vec<Route>,
    /// The first datagrams, for those still waiting.
    kept: Vec<Vec<u8>>,
}

impl Dial {
    pub(crate) fn new(mixed: SocketAddr, targets: &[Target], now: Instant) -> Self {
        let mut routes = Vec::new();
        for target in targets {
            if !routes.iter().any(|(_, known)| *known == target.route) {
                routes.push((now + target.delay, target.route));
            }
        }
        routes.truncate(MAX_TARGETS);
        let mut dial = Self {
            mixed,
            waiting: routes,
            started: Vec::new(),
            kept: Vec::new(),
        };
        dial.start_due(now);
        dial
    }

    /// Where a datagram for the mixed address goes now.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.started
    }

    /// Keeps a datagram for the targets that have not started.
    pub(crate) fn keep(&mut self, datagram: &[u8]) {
        if !self.waiting.is_empty() && self.kept.len() < MAX_KEPT {
            self.kept.push(datagram.to_vec());
        }
    }

    /// When the next target starts.
    pub(crate) fn next_start(&self) -> Option<Instant> {
        self.waiting.iter().map(|(due, _)| *due).min()
    }

    /// Starts the targets that are due and returns them, to be sent what was kept.
    pub(crate) fn start_due(&mut self, now: Instant) -> Vec<Route> {
        let due: Vec<Route> = self
            .waiting
            .iter()
            .filter(|(due, _)| *due <= now)
            .map(|(_, route)| *route)
            .collect();
        self.waiting.retain(|(due, _)| *due > now);
        self.started.extend(&due);
        due
    }

    pub(crate) fn kept(&self) -> &[Vec<u8>] {
        &self.kept
    }

    /// Starts no further address.
    pub(crate) fn stop(&mut self) {
        self.waiting.clear();
        self.kept.clear();
    }

    /// Goes on with one address alone, because it asked for a Retry: its token is good for the address
    /// that it saw, and another address of the same server would take it for a forgery.
    pub(crate) fn settle(&mut self, route: Route) {
        if self.started.contains(&route) {
            self.started = vec![route];
            self.waiting.clear();
            self.kept.clear();
        }
    }
}

/// Whether a datagram is a Retry packet of QUIC version 1 ([RFC 9000 § 17.2.5]).
///
/// [RFC 9000 § 17.2.5]: https://www.rfc-editor.org/rfc/rfc9000#section-17.2.5
pub(crate) fn is_retry(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 0, 0, 0, 1, ..] if first & 0xf0 == 0xf0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::MAIN_CARRIER;
    use anypath_wire::address::to_mapped;

    fn target(port: u16, delay_ms: u64) -> Target {
        let address = to_mapped(SocketAddr::from(([192, 0, 2, 1], port)));
        let carrier = MAIN_CARRIER;
        Target {
            route: Route { carrier, address },
            delay: Duration::from_millis(delay_ms),
        }
    }

    fn mixed() -> SocketAddr {
        "[fd00::1]:1".parse().expect("an address")
    }

    #[test]
    fn every_address_starts_in_its_turn_with_what_went_out_before() {
        let now = Instant::now();
        let mut dial = Dial::new(mixed(), &[target(1, 0), target(2, 50), target(1, 0)], now);
        assert_eq!(dial.routes(), [target(1, 0).route]);
        dial.keep(b"hello");
        assert_eq!(dial.next_start(), Some(now + Duration::from_millis(50)));
        let due = dial.start_due(now + Duration::from_millis(50));
        assert_eq!(due, [target(2, 0).route]);
        assert_eq!(dial.kept(), [b"hello".to_vec()]);
        assert_eq!(dial.routes().len(), 2);
        assert_eq!(dial.next_start(), None);
    }

    #[test]
    fn a_retry_settles_the_race_and_a_stranger_cannot() {
        let now = Instant::now();
        let mut dial = Dial::new(mixed(), &[target(1, 0), target(2, 0)], now);
        dial.settle(target(9, 0).route);
        assert_eq!(dial.routes().len(), 2);
        dial.settle(target(2, 0).route);
        assert_eq!(dial.routes(), [target(2, 0).route]);
    }

    #[test]
    fn a_dial_has_a_bounded_number_of_addresses() {
        let targets: Vec<Target> = (1..=99).map(|port| target(port, 0)).collect();
        let dial = Dial::new(mixed(), &targets, Instant::now());
        assert_eq!(dial.routes().len(), MAX_TARGETS);
    }
}
