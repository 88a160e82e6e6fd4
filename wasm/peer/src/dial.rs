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
    /// A dial of which nothing has started.
    pub(crate) fn new(mixed: SocketAddr, targets: &[Target], now: Instant) -> Self {
        let mut dial = Self {
            mixed,
            waiting: Vec::new(),
            started: Vec::new(),
            kept: Vec::new(),
        };
        dial.add(targets, now);
        dial
    }

    /// Dials these, too.
    pub(crate) fn add(&mut self, targets: &[Target], now: Instant) {
        for target in targets {
            let room = self.waiting.len() + self.started.len() < MAX_TARGETS;
            if room && !self.targets().any(|known| *known == target.route) {
                self.waiting.push((now + target.delay, target.route));
            }
        }
    }

    /// Every route, whether or not it has started.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Route> {
        let waiting = self.waiting.iter().map(|(_, route)| route);
        self.started.iter().chain(waiting)
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

    /// When the next target starts, of those that are `ready`: that is, whose relay is connected.
    pub(crate) fn next_start(&self, ready: impl Fn(&Route) -> bool) -> Option<Instant> {
        let ready = self.waiting.iter().filter(|(_, route)| ready(route));
        ready.map(|(due, _)| *due).min()
    }

    /// Starts the targets that are due and `ready`, and returns them, to be sent what was kept.
    pub(crate) fn start_due(&mut self, now: Instant, ready: impl Fn(&Route) -> bool) -> Vec<Route> {
        let starts = |(due, route): &(Instant, Route)| *due <= now && ready(route);
        let due: Vec<Route> = self
            .waiting
            .extract_if(.., |entry| starts(entry))
            .map(|(_, route)| route)
            .collect();
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

/// Whether a datagram begins with an Initial or a 0-RTT packet of QUIC version 1 ([RFC 9000 § 17.2]).
///
/// [RFC 9000 § 17.2]: https://www.rfc-editor.org/rfc/rfc9000#section-17.2
pub(crate) fn is_first_flight(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 0, 0, 0, 1, ..] if first & 0xa0 == 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::{FIRST_RELAY, MAIN_CARRIER};
    use anypath_wire::address::to_mapped;
    use anypath_wire::id::EndpointId;

    fn target(port: u16, delay_ms: u64) -> Target {
        let address = to_mapped(SocketAddr::from(([192, 0, 2, 1], port)));
        let carrier = MAIN_CARRIER;
        Target {
            route: Route::socket(carrier, address),
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
        assert_eq!(dial.start_due(now, |_| true), [target(1, 0).route]);
        assert_eq!(dial.routes(), [target(1, 0).route]);
        dial.keep(b"hello");
        let later = now + Duration::from_millis(50);
        assert_eq!(dial.next_start(|_| true), Some(later));
        let due = dial.start_due(later, |_| true);
        assert_eq!(due, [target(2, 0).route]);
        assert_eq!(dial.kept(), [b"hello".to_vec()]);
        assert_eq!(dial.routes().len(), 2);
        assert_eq!(dial.next_start(|_| true), None);
    }

    #[test]
    fn a_retry_settles_the_race_and_a_stranger_cannot() {
        let now = Instant::now();
        let mut dial = Dial::new(mixed(), &[target(1, 0), target(2, 0)], now);
        dial.start_due(now, |_| true);
        dial.settle(target(9, 0).route);
        assert_eq!(dial.routes().len(), 2);
        dial.settle(target(2, 0).route);
        assert_eq!(dial.routes(), [target(2, 0).route]);
    }

    #[test]
    fn a_dial_has_a_bounded_number_of_addresses() {
        let targets: Vec<Target> = (1..=99).map(|port| target(port, 0)).collect();
        let mut dial = Dial::new(mixed(), &targets, Instant::now());
        dial.add(&targets, Instant::now());
        assert_eq!(dial.targets().count(), MAX_TARGETS);
    }

    #[test]
    fn a_relay_is_sent_the_first_flight_when_it_is_connected_and_its_turn_has_come() {
        let now = Instant::now();
        let relay = Target {
            route: Route::relay(FIRST_RELAY, EndpointId([1; 32])),
            delay: Duration::from_millis(50),
        };
        let mut dial = Dial::new(mixed(), &[target(1, 0), relay], now);
        let connected = |yes| move |route: &Route| yes || !route.is_relayed();
        dial.start_due(now, connected(false));
        dial.keep(b"hello");
        let later = now + relay.delay;
        assert_eq!(dial.next_start(connected(false)), None);
        assert!(dial.start_due(later, connected(false)).is_empty());
        assert!(dial.start_due(now, connected(true)).is_empty());
        assert_eq!(dial.start_due(later, connected(true)), [relay.route]);
        assert_eq!(dial.kept(), [b"hello".to_vec()]);
    }

    #[test]
    fn first_flights_and_retries_are_told_apart_by_their_first_bytes() {
        let datagram = |first: u8| [first, 0, 0, 0, 1, 8, 0];
        for first in [0xc0, 0xc3, 0x80, 0xd0] {
            assert!(is_first_flight(&datagram(first)), "{first:x}");
        }
        for first in [0xe0, 0xf0, 0x40, 0x60] {
            assert!(!is_first_flight(&datagram(first)), "{first:x}");
        }
        assert!(is_retry(&datagram(0xf3)) && !is_retry(&datagram(0xe3)));
        assert!(!is_first_flight(&[0xc0, 0, 0, 0, 2]) && !is_first_flight(&[0xc0]));
    }
}
