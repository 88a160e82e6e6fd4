//! Which incoming connections are taken: the limits that hold before a handshake costs anything.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};

use anypath_wire::address::from_mapped;
use anypath_wire::id::EndpointId;

use crate::carrier::Address;
use crate::few::Few;

/// Limits on what strangers can make grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections, incoming and outgoing together.
    pub connections: usize,
    /// Incoming connections of one remote id.
    pub per_remote: usize,
    /// Incoming connections of one IP address; of one /64 where it is IPv6, of one id behind a relay.
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

/// Where an incoming connection comes from, as it is counted against [`Limits::per_address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// An IPv4 address, or the /64 of an IPv6 one: what one customer of a network can choose from is one origin.
    Network(IpAddr),
    /// Behind a relay, which has seen the proof that this is its id.
    Endpoint(EndpointId),
}

impl Origin {
    pub(crate) fn of(address: &Address) -> Self {
        match address {
            Address::Socket(address) => Self::Network(subnet(*address)),
            Address::Endpoint(id) => Self::Endpoint(*id),
        }
    }
}

/// A first packet, as the limits see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) origin: Origin,
    /// The relay over which it came.
    pub(crate) relay: Option<u32>,
    /// Whether the client has proven its address.
    pub(crate) validated: bool,
}

/// Incoming connections about which the driver has not decided.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) all: usize,
    /// Those that came over the same relay as the one in question.
    pub(crate) over_relay: usize,
}

/// Counts against the limits.
#[derive(Debug)]
pub(crate) struct Admissions {
    limits: Limits,
    by_origin: BTreeMap<Origin, usize>,
    by_remote: BTreeMap<Origin, usize>,
    handshakes: usize,
    /// Those of them that came over each relay.
    relayed: Few<u32, usize>,
}

impl Admissions {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_origin: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            handshakes: 0,
            relayed: Few::default(),
        }
    }

    /// Incoming handshakes under way.
    pub(crate) const fn handshakes(&self) -> usize {
        self.handshakes
    }

    /// The limits' answer to a first packet. `connections` are all that there
    /// are now, and `asked` those about which the driver has not decided: they count as handshakes under way.
    ///
    /// The ids behind a relay may be its inventions, and a Retry proves nothing there: no relay takes more than
    /// half of the handshakes.
    pub(crate) fn first_packet(
        &self,
        request: Request,
        connections: usize,
        asked: Asked,
    ) -> Admission {
        let Request {
            origin,
            relay,
            validated,
        } = request;
        let under_way = self.handshakes + asked.all;
        if under_way >= self.limits.handshakes {
            return Admission::Ignore;
        }
        let over_relay = relay.and_then(|relay| self.relayed.get(&relay)).copied();
        if over_relay.unwrap_or(0) + asked.over_relay >= self.limits.handshakes.div_ceil(2) {
            return Admission::Ignore;
        }
        if !validated && under_way >= self.limits.retry_above {
            return Admission::Retry;
        }
        let of_origin = self.by_origin.get(&origin).copied();
        if connections >= self.limits.connections
            || of_origin.unwrap_or(0) >= self.limits.per_address
        {
            return Admission::Refuse;
        }
        Admission::Accept
    }

    /// What becomes of a first packet that was refused, where one more than the limits allow is spared until its protocol is known.
    #[cfg(feature = "traversal")]
    pub(crate) fn spare(&self, origin: Origin, connections: usize) -> Admission {
        match self.is_within_limits(origin, connections) {
            true => Admission::Accept,
            false => Admission::Refuse,
        }
    }

    /// Whether there are no more connections than allowed, in all and of that origin.
    #[cfg(feature = "traversal")]
    pub(crate) fn is_within_limits(&self, origin: Origin, connections: usize) -> bool {
        let of_origin = self.by_origin.get(&origin).copied();
        connections <= self.limits.connections && of_origin.unwrap_or(0) <= self.limits.per_address
    }

    /// Whether a peer that has just proven its id may have one more connection.
    pub(crate) fn has_room_for(&self, remote: &EndpointId) -> bool {
        let of_remote = self.by_remote.get(&Origin::Endpoint(*remote)).copied();
        of_remote.unwrap_or(0) < self.limits.per_remote
    }

    pub(crate) fn may_dial(&self, connections: usize) -> bool {
        connections < self.limits.connections
    }

    /// How many origins and how many remote ids are counted.
    pub(crate) fn counted(&self) -> (usize, usize) {
        (self.by_origin.len(), self.by_remote.len())
    }

    pub(crate) fn handshake_began(&mut self, relay: Option<u32>) {
        self.handshakes += 1;
        if let Some(relay) = relay {
            let before = self.relayed.get(&relay).copied().unwrap_or(0);
            self.relayed.insert(relay, before + 1);
        }
    }

    pub(crate) fn handshake_ended(&mut self, relay: Option<u32>) {
        self.handshakes = self.handshakes.saturating_sub(1);
        if let Some(relay) = relay {
            match self.relayed.get_mut(&relay) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.relayed.remove(&relay)),
            }
        }
    }

    pub(crate) fn add_origin(&mut self, origin: Origin) {
        *self.by_origin.entry(origin).or_default() += 1;
    }

    pub(crate) fn remove_origin(&mut self, origin: Origin) {
        take_one(&mut self.by_origin, origin);
    }

    pub(crate) fn add_remote(&mut self, remote: &EndpointId) {
        *self.by_remote.entry(Origin::Endpoint(*remote)).or_default() += 1;
    }

    pub(crate) fn remove_remote(&mut self, remote: &EndpointId) {
        take_one(&mut self.by_remote, Origin::Endpoint(*remote));
    }
}

pub(crate) fn take_one(counts: &mut BTreeMap<Origin, usize>, key: Origin) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

pub(crate) fn subnet(source: SocketAddrV6) -> IpAddr {
    match from_mapped(source).ip() {
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
    use anypath_wire::address::to_mapped;

    const LIMITS: Limits = Limits {
        connections: 10,
        per_remote: 2,
        per_address: 3,
        handshakes: 8,
        retry_above: 4,
    };

    fn source(text: &str) -> Origin {
        let address = to_mapped(text.parse().expect("an address"));
        Origin::of(&address.into())
    }

    fn ask(
        admissions: &Admissions,
        origin: Origin,
        relay: Option<u32>,
        validated: bool,
        connections: usize,
    ) -> Admission {
        let request = Request {
            origin,
            relay,
            validated,
        };
        admissions.first_packet(request, connections, Asked::default())
    }

    #[test]
    fn one_relay_cannot_take_every_handshake() {
        let mut admissions = Admissions::new(LIMITS);
        (0..4).for_each(|_| admissions.handshake_began(Some(1)));
        let id = |number| Origin::of(&EndpointId([number; 32]).into());
        let answer = |admissions: &Admissions, relay| ask(admissions, id(1), relay, true, 4);
        assert_eq!(answer(&admissions, Some(1)), Admission::Ignore);
        assert_eq!(answer(&admissions, Some(2)), Admission::Accept);
        assert_eq!(answer(&admissions, None), Admission::Accept);
        admissions.handshake_ended(Some(1));
        assert_eq!(answer(&admissions, Some(1)), Admission::Accept);
        let request = Request {
            origin: id(1),
            relay: Some(1),
            validated: true,
        };
        let asked = Asked {
            all: 1,
            over_relay: 1,
        };
        let asked = admissions.first_packet(request, 4, asked);
        assert_eq!(asked, Admission::Ignore);
        (0..3).for_each(|_| admissions.handshake_ended(Some(1)));
        assert_eq!((admissions.handshakes(), admissions.relayed.len()), (0, 0));
    }

    #[test]
    fn handshakes_under_way_bring_first_retries_and_then_silence() {
        let mut admissions = Admissions::new(LIMITS);
        let from = source("192.0.2.1:1");
        let answer = |admissions: &Admissions, validated| ask(admissions, from, None, validated, 0);
        assert_eq!(answer(&admissions, false), Admission::Accept);
        (0..4).for_each(|_| admissions.handshake_began(None));
        assert_eq!(answer(&admissions, false), Admission::Retry);
        assert_eq!(answer(&admissions, true), Admission::Accept);
        (0..4).for_each(|_| admissions.handshake_began(None));
        assert_eq!(answer(&admissions, true), Admission::Ignore);
    }

    #[test]
    fn one_customer_cannot_take_every_place() {
        let mut admissions = Admissions::new(LIMITS);
        for host in 1..=3 {
            admissions.add_origin(source(&format!("[2001:db8::{host}]:1")));
        }
        let answer = |from: &str| ask(&admissions, source(from), None, true, 3);
        assert_eq!(answer("[2001:db8::9]:1"), Admission::Refuse);
        assert_eq!(answer("[2001:db8:0:1::9]:1"), Admission::Accept);
        let id = |number| Origin::of(&EndpointId([number; 32]).into());
        for _ in 0..3 {
            admissions.add_origin(id(1));
        }
        let answer = |from| ask(&admissions, from, None, true, 3);
        assert_eq!(answer(id(1)), Admission::Refuse);
        assert_eq!(answer(id(2)), Admission::Accept);
    }

    #[cfg(feature = "traversal")]
    #[test]
    fn one_that_is_spared_is_found_out_when_it_is_one_too_many() {
        let mut admissions = Admissions::new(LIMITS);
        let origin = source("192.0.2.1:1");
        (0..3).for_each(|_| admissions.add_origin(origin));
        assert_eq!(ask(&admissions, origin, None, true, 3), Admission::Refuse);
        assert_eq!(admissions.spare(origin, 3), Admission::Accept);
        assert_eq!(admissions.spare(origin, 10), Admission::Accept);
        assert_eq!(admissions.spare(origin, 11), Admission::Refuse);
        assert!(admissions.is_within_limits(origin, 10));
        admissions.add_origin(origin);
        assert_eq!(admissions.spare(origin, 4), Admission::Refuse);
        assert!(!admissions.is_within_limits(origin, 4));
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
