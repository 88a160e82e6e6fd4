//! What a NAT does to a socket's address, in the terms of [RFC 4787].
//!
//! Servers, and peers, tell at which address they see the socket. One such word says where it is reached now; what two
//! or more say together tells how the NAT maps. Only what was asked at about the same time is compared, for a mapping that
//! has expired is made anew with another port.
//!
//! [RFC 4787]: https://www.rfc-editor.org/rfc/rfc4787

use std::net::{Ipv6Addr, SocketAddrV6};

use crate::candidate::is_ipv4;
use crate::prediction;

/// Observers that are remembered; the oldest word makes room.
const MAX_OBSERVATIONS: usize = 64;

/// Addresses that are given at most.
const MAX_ADDRESSES: usize = 8;

/// Words that are further apart in time say nothing about each other: a NAT may forget a mapping after 30 seconds.
const COMPARABLE_MS: f64 = 10_000.0;

/// How long a peer's word stands beside a newer one of a server.
const PEERS_WORD_MS: f64 = 60_000.0;

/// A single step up to this is taken for a sequence: of ports drawn at random one in 2000 is that close to another.
const SEQUENTIAL_STEP: u16 = 16;

/// Ports of one sequence are no further apart, for the others behind a NAT make few mappings between two requests.
const LONGEST_STEP: u16 = 256;

/// Who saw an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observer {
    /// A server that this peer was told to ask.
    Server,
    /// The remote of a connection, which may lie.
    Peer,
}

/// Somebody's word about where a socket is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Who says it.
    pub observer: Observer,
    /// Where the observer is.
    pub server: SocketAddrV6,
    /// Where it sees the socket.
    pub mapped: SocketAddrV6,
    /// When the packet was sent that it saw, in milliseconds of any one clock.
    pub sent_ms: f64,
    /// Puts packets of one time in the order in which they were sent.
    pub order: u64,
    /// How long the answer took, in milliseconds; `None` where nothing was asked, or more than once.
    pub rtt_ms: Option<f64>,
}

/// Whether a NAT uses one mapping for all destinations ([RFC 4787 § 4.1]).
///
/// [RFC 4787 § 4.1]: https://www.rfc-editor.org/rfc/rfc4787#section-4.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mapping {
    /// No two servers of different addresses were heard.
    Unknown = 0,
    /// It does.
    EndpointIndependent = 1,
    /// Each destination address has its own.
    AddressDependent = 2,
    /// Each destination address and port has its own.
    AddressAndPortDependent = 3,
    /// Destination addresses have their own; whether ports have it too is unknown, for no two of one address were heard.
    Dependent = 4,
}

/// How many kinds [`Observations::nat`] tells apart.
pub const NATS: usize = 6;

impl Mapping {
    /// Whether other destinations see other addresses.
    pub const fn is_dependent(self) -> bool {
        !matches!(self, Self::Unknown | Self::EndpointIndependent)
    }
}

/// How a NAT chooses ports ([RFC 4787 § 4.2]).
///
/// [RFC 4787 § 4.2]: https://www.rfc-editor.org/rfc/rfc4787#section-4.2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Too little was heard.
    Unknown,
    /// The socket's own.
    Preserved,
    /// So much above, or below, the one before.
    Stride(i16),
    /// Any.
    Random,
}

/// What is known of the NAT between a socket and the rest of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatReport {
    /// Whether there is none; `None`: nobody has told.
    pub public: Option<bool>,
    /// Which destinations share a mapping.
    pub mapping: Mapping,
    /// How ports are chosen.
    pub ports: Ports,
    /// The NAT's addresses, in order; several: it has a pool.
    pub pool: Vec<Ipv6Addr>,
}

/// What has been said about one socket.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// One of each observer, in the order of sending.
    heard: Vec<Observation>,
}

impl Observations {
    /// Takes somebody's word, in the place of that observer's last one.
    pub fn add(&mut self, observation: Observation) {
        self.forget(observation.observer, &observation.server);
        if self.heard.len() == MAX_OBSERVATIONS {
            // Peers come and go, and must not drive out the servers.
            let of_peer = |o: &Observation| o.observer == Observer::Peer;
            let oldest = self.heard.iter().position(of_peer);
            self.heard.remove(oldest.unwrap_or(0));
        }
        let at = self
            .heard
            .partition_point(|other| is_before(other, &observation));
        self.heard.insert(at, observation);
    }

    /// Forgets what an observer said, who does not answer any more.
    pub fn forget(&mut self, observer: Observer, server: &SocketAddrV6) {
        self.heard
            .retain(|o| (o.observer, o.server) != (observer, *server));
    }

    /// Forgets the servers that are not to be `kept`.
    pub fn keep_servers(&mut self, mut kept: impl FnMut(&SocketAddrV6) -> bool) {
        self.heard.retain(|o| !is_server(o) || kept(&o.server));
    }

    /// Forgets everything: the network is another one.
    pub fn clear(&mut self) {
        self.heard.clear();
    }

    /// What was said, in the order of sending.
    pub fn heard(&self) -> &[Observation] {
        &self.heard
    }

    /// The server whose IPv4 word is the latest.
    pub fn latest_of_server(&self) -> Option<SocketAddrV6> {
        let mut words = self.heard.iter().rev();
        let latest = words.find(|o| is_server(o) && is_ipv4(&o.mapped));
        latest.map(|o| o.server)
    }

    /// Where the socket is seen, without its own addresses `local`, the best first: what was seen latest by servers, then by peers.
    ///
    /// A peer that names another host than every server does is not believed.
    pub fn addresses(&self, local: &[SocketAddrV6]) -> Vec<SocketAddrV6> {
        let mut addresses = Vec::new();
        let servers = self.heard.iter().rev().filter(|o| is_server(o));
        let peers = self.heard.iter().rev().filter(|o| self.is_believed(o));
        for Observation { mapped, .. } in servers.chain(peers) {
            if !local.contains(mapped) && !addresses.contains(mapped) {
                addresses.push(*mapped);
            }
        }
        addresses.truncate(MAX_ADDRESSES);
        addresses
    }

    /// Whether a peer's word can be true and current.
    fn is_believed(&self, told: &Observation) -> bool {
        let of_family = |o: &&Observation| is_server(o) && is_same_family(o, told);
        let mut servers = self.heard.iter().filter(of_family).peekable();
        told.observer == Observer::Peer
            && (servers.peek().is_none()
                || servers.any(|o| {
                    o.mapped.ip() == told.mapped.ip() && o.sent_ms - told.sent_ms < PEERS_WORD_MS
                }))
    }

    /// The IPv4 NAT before a socket that has these addresses as a number below [`NATS`]: that of its [`Mapping`], or the last where there is none.
    pub fn nat(&self, local: &[SocketAddrV6]) -> usize {
        let report = self.report(local, true);
        match report.public {
            Some(true) => NATS - 1,
            _ => report.mapping as usize,
        }
    }

    /// What the NAT does to a socket that has these addresses, for IPv4 or for IPv6.
    pub fn report(&self, local: &[SocketAddrV6], ipv4: bool) -> NatReport {
        let heard = self.counted(local, ipv4);
        let mapping = mapping(&heard);
        let mut pool: Vec<_> = heard.iter().map(|o| *o.mapped.ip()).collect();
        pool.sort_unstable();
        pool.dedup();
        NatReport {
            public: (!heard.is_empty() && !local.is_empty())
                .then(|| heard.iter().all(|o| local.contains(&o.mapped))),
            mapping,
            ports: ports(&heard, local, mapping),
            pool,
        }
    }

    /// The next ports of a NAT that gives them in a sequence, `made` mappings after the latest that was seen; none of another NAT.
    pub fn predicted(&self, local: &[SocketAddrV6], made: u16) -> Vec<SocketAddrV6> {
        let heard = self.counted(local, true);
        let Ports::Stride(stride) = ports(&heard, local, mapping(&heard)) else {
            return Vec::new();
        };
        let Some(last) = heard.iter().rfind(|o| is_server(o)) else {
            return Vec::new();
        };
        prediction::next_ports(last.mapped.port(), stride, made)
            .map(|port| SocketAddrV6::new(*last.mapped.ip(), port, 0, 0))
            .collect()
    }

    /// What counts for a family: of peers, who may lie and say when they like, only where too few servers were heard.
    /// A peer on this side of the NAT sees the socket's own address, which says nothing of the NAT.
    fn counted(&self, local: &[SocketAddrV6], ipv4: bool) -> Vec<Observation> {
        let of_family = |o: &&Observation| is_ipv4(&o.mapped) == ipv4;
        let heard = self.heard.iter().filter(of_family);
        let mut heard: Vec<_> = heard
            .filter(|o| is_server(o) || self.is_believed(o))
            .copied()
            .collect();
        let servers = heard.iter().filter(|o| is_server(o)).count();
        if servers > 0 {
            heard.retain(|o| is_server(o) || servers == 1 && !local.contains(&o.mapped));
        }
        heard
    }
}

fn is_server(observation: &Observation) -> bool {
    observation.observer == Observer::Server
}

fn is_same_family(one: &Observation, other: &Observation) -> bool {
    is_ipv4(&one.mapped) == is_ipv4(&other.mapped)
}

fn is_before(one: &Observation, other: &Observation) -> bool {
    let time = one.sent_ms.total_cmp(&other.sent_ms);
    time.then(one.order.cmp(&other.order)).is_lt()
}

fn is_comparable(one: &Observation, other: &Observation) -> bool {
    (one.sent_ms - other.sent_ms).abs() <= COMPARABLE_MS
}

fn mapping(heard: &[Observation]) -> Mapping {
    let (mut same_host, mut other_hosts) = (None, None);
    for (at, one) in heard.iter().enumerate() {
        for other in heard[at + 1..].iter().filter(|o| is_comparable(one, o)) {
            let evidence = match one.server.ip() == other.server.ip() {
                true => &mut same_host,
                false => &mut other_hosts,
            };
            // One difference outweighs what is equal by chance.
            *evidence = Some(evidence.unwrap_or(true) && one.mapped == other.mapped);
        }
    }
    match (same_host, other_hosts) {
        (Some(false), _) => Mapping::AddressAndPortDependent,
        (_, Some(true)) => Mapping::EndpointIndependent,
        (Some(true), Some(false)) => Mapping::AddressDependent,
        (None, Some(false)) => Mapping::Dependent,
        (_, None) => Mapping::Unknown,
    }
}

fn ports(heard: &[Observation], local: &[SocketAddrV6], mapping: Mapping) -> Ports {
    let own = |o: &Observation| local.iter().any(|own| own.port() == o.mapped.port());
    if !heard.is_empty() && heard.iter().all(own) {
        return Ports::Preserved;
    }
    if !mapping.is_dependent() {
        return Ports::Unknown;
    }
    let steps = steps(heard);
    let Some(stride) = prediction::common_stride(&steps) else {
        // Ports far apart, or in no order, are no sequence; between a little and far nothing is certain yet.
        let scattered =
            steps.len() > 1 || steps.iter().any(|step| step.unsigned_abs() > LONGEST_STEP);
        return match scattered {
            true => Ports::Random,
            false => Ports::Unknown,
        };
    };
    let longest = steps.iter().map(|step| step.unsigned_abs()).max();
    match (longest, steps.len()) {
        (Some(longest), _) if longest > LONGEST_STEP => Ports::Random,
        (Some(longest), 1) if longest > SEQUENTIAL_STEP => Ports::Unknown,
        _ => Ports::Stride(stride),
    }
}

/// From each new mapping to the next, in the order in which they were made.
fn steps(heard: &[Observation]) -> Vec<i16> {
    let mut seen: Vec<u16> = Vec::new();
    let mut steps = Vec::new();
    let mut before: Option<&Observation> = None;
    // When a peer's mapping was made is unknown.
    for observation in heard.iter().filter(|o| is_server(o)) {
        let port = observation.mapped.port();
        if seen.contains(&port) {
            continue;
        }
        seen.push(port);
        if let Some(before) = before
            && is_comparable(before, observation)
        {
            steps.push(prediction::step(before.mapped.port(), port));
        }
        before = Some(observation);
    }
    steps
}

#[cfg(test)]
mod tests;
