//! Probes on their way out: in order, each at its time, and not too many.

use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::time::Duration;

use anypath_paths::candidate::is_global;

use crate::bucket::Bucket;
use crate::clock::Instant;
use crate::event::ConnectionKey;

/// Probes of all connections in a second.
const PER_SECOND: u32 = 1000;

/// Probes of all connections at once.
const BURST: u32 = 1000;

/// Probes that wait for their time.
const MAX_WAITING: usize = 1024;

/// The same of one connection.
const MAX_WAITING_OF_ONE: usize = MAX_WAITING / 4;

/// Answers at once, and in a second, of all connections together that search for no direct path: browsers that change their network ask.
const ANSWERS: u32 = 16;

/// When a probe leaves, for whom, and where to: a NAT that numbers its ports in order does so in the order of the probes,
/// which the remote that expects certain ports counts on. Public destinations come first, so that those in private networks,
/// which the remote's probes may not have a counterpart of, take no port before them.
type Place = (Instant, ConnectionKey, bool, SocketAddrV6, u64);

/// The probes that wait, and the limit on all.
#[derive(Debug)]
pub(crate) struct Probes {
    waiting: BTreeMap<Place, Vec<u8>>,
    next: u64,
    bucket: Bucket,
    /// Answers for connections that search for nothing.
    answers: Bucket,
    start: Instant,
}

impl Probes {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            waiting: BTreeMap::new(),
            next: 0,
            bucket: Bucket::full(BURST),
            answers: Bucket::full(ANSWERS),
            start: now,
        }
    }

    /// Takes a probe; false when too many wait.
    pub(crate) fn add(
        &mut self,
        due: Instant,
        key: ConnectionKey,
        to: SocketAddrV6,
        probe: &[u8],
    ) -> bool {
        let of_it = self.waiting.keys().filter(|place| place.1 == key).count();
        if self.waiting.len() >= MAX_WAITING || of_it >= MAX_WAITING_OF_ONE {
            return false;
        }
        self.waiting
            .insert((due, key, !is_global(&to), to, self.next), probe.to_vec());
        self.next += 1;
        true
    }

    /// The next probe whose time has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(ConnectionKey, SocketAddrV6, Vec<u8>)> {
        let (due, key, _, to, _) = *self.waiting.first_key_value()?.0;
        if due > now {
            return None;
        }
        let (_, probe) = self.waiting.pop_first()?;
        Some((key, to, probe))
    }

    /// Has the probes of a connection that wait leave so much sooner.
    pub(crate) fn hasten(&mut self, key: ConnectionKey, by: Duration) {
        let of_it = |place: &Place| place.1 == key;
        let places: Vec<_> = self.waiting.keys().copied().filter(of_it).collect();
        for place in places {
            if let Some(probe) = self.waiting.remove(&place) {
                let due = place.0.checked_sub(by).unwrap_or(place.0);
                self.waiting
                    .insert((due, key, place.2, place.3, place.4), probe);
            }
        }
    }

    /// Whether one more answer may be given for a connection that searches for nothing.
    pub(crate) fn may_answer(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.start);
        self.answers.take(elapsed, ANSWERS, ANSWERS)
    }

    /// Whether all together may send one more.
    pub(crate) fn may_send(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.start);
        self.bucket.take(elapsed, PER_SECOND, BURST)
    }

    /// When the next one leaves.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(due, ..)| *due)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn to(port: u16) -> SocketAddrV6 {
        SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0)
    }

    #[test]
    fn probes_leave_at_their_time_in_the_order_of_their_ports() {
        let now = Instant::now();
        let later = now + Duration::from_millis(7);
        let mut probes = Probes::new(now);
        for (due, port) in [(later, 1), (now, 9), (now, 3), (now, 5)] {
            assert!(probes.add(due, 1, to(port), &[port as u8]));
        }
        let mut left = |at| -> Vec<u8> {
            std::iter::from_fn(|| probes.pop(at).map(|(.., probe)| probe[0])).collect()
        };
        assert_eq!(left(now), [3, 5, 9]);
        assert!(left(now).is_empty());
        assert_eq!(left(later), [1]);
        assert_eq!(probes.due(), None);
    }

    #[test]
    fn those_of_one_connection_can_be_hastened_and_keep_their_order() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let mut probes = Probes::new(now);
        for (due, key, port) in [(60, 1, 4), (50, 1, 5), (50, 2, 3), (90, 1, 6)] {
            assert!(probes.add(now + ms(due), key, to(port), &[port as u8]));
        }
        probes.hasten(1, ms(30));
        let mut left = |at| -> Vec<u8> {
            std::iter::from_fn(|| probes.pop(now + ms(at)).map(|(.., probe)| probe[0])).collect()
        };
        assert!(left(19).is_empty());
        assert_eq!(left(30), [5, 4]);
        assert_eq!(left(55), [3]);
        assert_eq!(left(60), [6]);
    }

    #[test]
    fn public_destinations_come_before_private_ones() {
        let now = Instant::now();
        let mut probes = Probes::new(now);
        let addresses = [
            [10, 0, 0, 1],
            [198, 51, 100, 1],
            [192, 0, 2, 1],
            [100, 64, 0, 1],
        ];
        for ip in addresses.map(Ipv4Addr::from) {
            assert!(probes.add(
                now,
                1,
                SocketAddrV6::new(ip.to_ipv6_mapped(), 1, 0, 0),
                &ip.octets()[..1]
            ));
        }
        let left = std::iter::from_fn(|| probes.pop(now).map(|(.., probe)| probe[0]));
        assert!(left.eq([192, 198, 10, 100]));
    }

    #[test]
    fn few_wait_and_all_together_keep_to_a_rate() {
        let now = Instant::now();
        let mut probes = Probes::new(now);
        let mut taken = |key| {
            (0..5000)
                .filter(|_| probes.add(now, key, to(1), &[]))
                .count()
        };
        assert_eq!([1, 2, 3, 4, 5].map(&mut taken), [256, 256, 256, 256, 0]);
        assert_eq!((0..5000).filter(|_| probes.may_send(now)).count(), 1000);
        let later = now + Duration::from_millis(500);
        assert_eq!((0..5000).filter(|_| probes.may_send(later)).count(), 500);
    }
}
