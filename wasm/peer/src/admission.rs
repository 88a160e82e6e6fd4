//! Which incoming connections are taken: the limits that hold before a handshake costs anything.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use anypath_wire::address::{from_mapped, to_mapped};
use anypath_wire::id::EndpointId;

/// Limits on what strangers can make grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections, incoming and outgoing together.
    pub connections: usize,
    /// Incoming connections of one remote id.
    pub per_remote: usize,
    /// Incoming connections of one IP address; of one /64 where it is IPv6.
    pub per_address: usize,
    /// Incoming handshakes under way.
    pub handshakes: usize,
    /// Handshakes under way above which an address has to be validated first, by a Retry.
    pub retry_above: usize,
}

/// What to do with an incoming connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Begin the handshake.
    Accept,
    /// Say no.
    Refuse,
    /// Ask the client to prove its address first.
    Retry,
    /// Say nothing.
    Ignore,
}

/// Counts against the limits.
#[derive(Debug)]
pub(crate) struct Admissions {
    limits: Limits,
    by_address: BTreeMap<IpAddr, usize>,
    by_remote: BTreeMap<[u8; 32], usize>,
    pub(crate) handshakes: usize,
}

impl Admissions {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_address: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            handshakes: 0,
        }
    }

    /// The limits' answer to a first packet. `connections` are all that there are now, and `asked` those
    /// about which the driver has not decided: they count as handshakes under way.
    pub(crate) fn first_packet(
        &self,
        source: SocketAddr,
        validated: bool,
        connections: usize,
        asked: usize,
    ) -> Admission {
        let under_way = self.handshakes + asked;
        if under_way >= self.limits.handshakes {
            return Admission::Ignore;
        }
        if !validated && under_way >= self.limits.retry_above {
            return Admission::Retry;
        }
        let of_address = self.by_address.get(&subnet(source)).copied();
        if connections >= self.limits.connections
            || of_address.unwrap_or(0) >= self.limits.per_address
        {
            return Admission::Refuse;
        }
        Admission::Accept
    }

    /// Whether a peer that has just proven its id may have one more connection.
    pub(crate) fn has_room_for(&self, remote: &EndpointId) -> bool {
        let of_remote = self.by_remote.get(remote.as_bytes()).copied();
        of_remote.unwrap_or(0) < self.limits.per_remote
    }

    pub(crate) fn may_dial(&self, connections: usize) -> bool {
        connections < self.limits.connections
    }

    /// How many addresses and how many remote ids are counted.
    pub(crate) fn counted(&self) -> (usize, usize) {
        (self.by_address.len(), self.by_remote.len())
    }

    pub(crate) fn add_address(&mut self, source: SocketAddr) {
        *self.by_address.entry(subnet(source)).or_default() += 1;
    }

    pub(crate) fn remove_address(&mut self, source: SocketAddr) {
        take_one(&mut self.by_address, subnet(source));
    }

    pub(crate) fn add_remote(&mut self, remote: &EndpointId) {
        *self.by_remote.entry(*remote.as_bytes()).or_default() += 1;
    }

    pub(crate) fn remove_remote(&mut self, remote: &EndpointId) {
        take_one(&mut self.by_remote, *remote.as_bytes());
    }
}

fn take_one<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// What one customer of a network can choose from is one address here.
fn subnet(source: SocketAddr) -> IpAddr {
    match from_mapped(to_mapped(source)).ip() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections: 10,
        per_remote: 2,
        per_address: 3,
        handshakes: 8,
        retry_above: 4,
    };

    fn source(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn handshakes_under_way_bring_first_retries_and_then_silence() {
        let mut admissions = Admissions::new(LIMITS);
        let from = source("192.0.2.1:1");
        let answer =
            |admissions: &Admissions, validated| admissions.first_packet(from, validated, 0, 0);
        assert_eq!(answer(&admissions, false), Admission::Accept);
        admissions.handshakes = 4;
        assert_eq!(answer(&admissions, false), Admission::Retry);
        assert_eq!(answer(&admissions, true), Admission::Accept);
        admissions.handshakes = 8;
        assert_eq!(answer(&admissions, true), Admission::Ignore);
    }

    #[test]
    fn one_customer_cannot_take_every_place() {
        let mut admissions = Admissions::new(LIMITS);
        for host in 1..=3 {
            admissions.add_address(source(&format!("[2001:db8::{host}]:1")));
        }
        let answer = |from: &str| admissions.first_packet(source(from), true, 3, 0);
        assert_eq!(answer("[2001:db8::9]:1"), Admission::Refuse);
        assert_eq!(answer("[2001:db8:0:1::9]:1"), Admission::Accept);
    }

    #[test]
    fn places_come_back() {
        let mut admissions = Admissions::new(LIMITS);
        let remote = EndpointId([1; 32]);
        admissions.add_remote(&remote);
        admissions.add_remote(&remote);
        assert!(!admissions.has_room_for(&remote));
        admissions.remove_remote(&remote);
        assert!(admissions.has_room_for(&remote));
        admissions.remove_remote(&remote);
        assert!(admissions.by_remote.is_empty());
    }
}
