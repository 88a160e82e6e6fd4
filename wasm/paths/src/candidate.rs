//! Addresses at which a peer may be reached, their order, and which of a remote's are worth a probe [RFC 8445].
//!
//! Every address is in the form that QUIC sees: IPv4 is IPv6-mapped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};

use anypath_wire::address::from_mapped;

/// How many candidates a peer tells of, as many as iroh has it.
pub const MAX_CANDIDATES: usize = 32;

/// The component's number [RFC 8445 § 5.1.1]: QUIC needs one.
const COMPONENT: u64 = 1;

/// How an address was learned [RFC 8445 § 5.1.1].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// It is an interface's.
    Host = 0,
    /// A router was asked to forward it.
    Mapped = 1,
    /// A remote's packets came from it, or a remote saw it.
    PeerReflexive = 2,
    /// A server saw it.
    ServerReflexive = 3,
    /// A NAT is expected to use it next.
    Predicted = 4,
    /// A relay forwards to it.
    Relayed = 5,
}

impl Kind {
    /// The type preference [RFC 8445 § 5.1.2.2]; a mapped address comes close to a host's, a guess after all that was seen.
    pub const fn preference(self) -> u8 {
        match self {
            Self::Host => 126,
            Self::Mapped => 120,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Predicted => 90,
            Self::Relayed => 0,
        }
    }
}

/// An address at which this peer may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Where.
    pub address: SocketAddrV6,
    /// How it was learned.
    pub kind: Kind,
}

impl Candidate {
    /// The candidate's priority [RFC 8445 § 5.1.2.1], with the local preference of [`local_preference`].
    pub fn priority(&self) -> u32 {
        let preference = u64::from(self.kind.preference()) << 24;
        let local = u64::from(local_preference(&self.address)) << 8;
        u32::try_from(preference + local + (256 - COMPONENT)).unwrap_or(u32::MAX)
    }
}

/// Which of two addresses of a kind is preferred: IPv6 before IPv4, and what is routed everywhere before what is not [RFC 8421 § 4].
pub fn local_preference(address: &SocketAddrV6) -> u16 {
    match (from_mapped(*address).ip(), is_global(address)) {
        (IpAddr::V6(_), true) => 65_535,
        (IpAddr::V4(_), true) => 60_000,
        (IpAddr::V6(_), false) => 40_000,
        (IpAddr::V4(_), false) => 30_000,
    }
}

/// Puts candidates in order, the best first, leaves out what can't be reached from elsewhere and all but the best of an
/// address [RFC 8445 § 5.1.3], and keeps [`MAX_CANDIDATES`].
///
/// A loopback address is only kept where there is no other: then the peer is bound to it, and its remotes are on this machine.
pub fn prune(candidates: impl IntoIterator<Item = Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = candidates
        .into_iter()
        .filter(|candidate| is_sendable(&candidate.address))
        .collect();
    if kept
        .iter()
        .any(|candidate| !is_loopback(&candidate.address))
    {
        kept.retain(|candidate| !is_loopback(&candidate.address));
    }
    kept.sort_by(|one, other| {
        let order = other.priority().cmp(&one.priority());
        order.then_with(|| one.address.cmp(&other.address))
    });
    let mut seen: Vec<SocketAddrV6> = Vec::with_capacity(kept.len());
    kept.retain(|candidate| {
        let new = !seen.contains(&candidate.address);
        seen.push(candidate.address);
        new
    });
    kept.truncate(MAX_CANDIDATES);
    kept
}

/// Why an address is not probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// Nobody is there: it is unspecified, multicast, broadcast, or has no port.
    NoHost,
    /// It is a loopback address, and this peer is not bound to one.
    Loopback,
    /// It is a private or link-local address of a network that this peer has no address of.
    OutOfScope,
    /// It is an IPv6 address, and this peer has none, or the other way round.
    Family,
    /// It is this peer's own address.
    Own,
}

/// Whether a peer with the host addresses `own` may send a probe to an address that somebody else named.
///
/// A private address is probed where this peer has one of the same block, for only then can it lead to the remote
/// and not to a stranger who has the same one.
///
/// # Errors
/// Why not.
pub fn may_probe(address: &SocketAddrV6, own: &[SocketAddrV6]) -> Result<(), Forbidden> {
    if !is_sendable(address) {
        return Err(Forbidden::NoHost);
    }
    if own.contains(address) {
        return Err(Forbidden::Own);
    }
    if is_loopback(address) {
        let bound = !own.is_empty() && own.iter().all(is_loopback);
        return bound.then_some(()).ok_or(Forbidden::Loopback);
    }
    let family = is_ipv4(address);
    if !own.iter().any(|known| is_ipv4(known) == family) {
        return Err(Forbidden::Family);
    }
    match block(address) {
        None => Ok(()),
        Some(wanted) if own.iter().any(|known| block(known) == Some(wanted)) => Ok(()),
        Some(_) => Err(Forbidden::OutOfScope),
    }
}

/// A range of addresses that is not routed everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// 10.0.0.0/8 [RFC 1918].
    Ten,
    /// 172.16.0.0/12 [RFC 1918].
    OneSevenTwo,
    /// 192.168.0.0/16 [RFC 1918].
    OneNineTwo,
    /// 100.64.0.0/10, between a carrier's NAT and its customers [RFC 6598].
    Shared,
    /// 169.254.0.0/16 [RFC 3927].
    LinkLocal4,
    /// fc00::/7 [RFC 4193]: the 48 bits that one site has.
    Site([u16; 3]),
    /// fe80::/10 on one interface [RFC 4291 § 2.5.6].
    LinkLocal6(u32),
}

fn block(address: &SocketAddrV6) -> Option<Block> {
    match from_mapped(*address).ip() {
        IpAddr::V4(ip) => block_of_ipv4(ip),
        IpAddr::V6(ip) => block_of_ipv6(ip, address.scope_id()),
    }
}

fn block_of_ipv4(ip: Ipv4Addr) -> Option<Block> {
    match ip.octets() {
        [10, ..] => Some(Block::Ten),
        [172, 16..=31, ..] => Some(Block::OneSevenTwo),
        [192, 168, ..] => Some(Block::OneNineTwo),
        [100, 64..=127, ..] => Some(Block::Shared),
        [169, 254, ..] => Some(Block::LinkLocal4),
        _ => None,
    }
}

fn block_of_ipv6(ip: Ipv6Addr, scope: u32) -> Option<Block> {
    let [a, b, c, ..] = ip.segments();
    match a {
        0xfc00..=0xfdff => Some(Block::Site([a, b, c])),
        0xfe80..=0xfebf => Some(Block::LinkLocal6(scope)),
        _ => None,
    }
}

/// Whether an address is routed everywhere.
pub fn is_global(address: &SocketAddrV6) -> bool {
    is_sendable(address) && !is_loopback(address) && block(address).is_none()
}

/// Whether an address is of the machine itself.
pub fn is_loopback(address: &SocketAddrV6) -> bool {
    from_mapped(*address).ip().is_loopback()
}

/// Whether an address is an IPv4 one in the form of IPv6.
pub fn is_ipv4(address: &SocketAddrV6) -> bool {
    address.ip().to_ipv4_mapped().is_some()
}

/// Whether one host can have the address: [RFC 6890] has what is for something else.
pub fn is_sendable(address: &SocketAddrV6) -> bool {
    let host = match from_mapped(*address).ip() {
        IpAddr::V4(ip) => {
            let [first, ..] = ip.octets();
            first != 0 && first < 224
        }
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
    };
    host && address.port() != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use anypath_wire::address::to_mapped;

    fn at(text: &str) -> SocketAddrV6 {
        to_mapped(text.parse().expect("an address"))
    }

    fn candidate(kind: Kind, text: &str) -> Candidate {
        let address = at(text);
        Candidate { address, kind }
    }

    #[test]
    fn a_priority_is_what_the_rfc_computes() {
        let host = candidate(Kind::Host, "[2001:db8::1]:1");
        assert_eq!(host.priority(), (126 << 24) + (65_535 << 8) + 255);
        let relayed = candidate(Kind::Relayed, "192.0.2.1:1");
        assert_eq!(relayed.priority(), (60_000 << 8) + 255);
    }

    #[test]
    fn candidates_are_ordered_and_each_address_is_there_once_by_its_best_kind() {
        let pruned = prune([
            candidate(Kind::Predicted, "203.0.113.7:5001"),
            candidate(Kind::ServerReflexive, "192.168.1.5:5000"),
            candidate(Kind::Host, "192.168.1.5:5000"),
            candidate(Kind::ServerReflexive, "203.0.113.7:5000"),
            candidate(Kind::Host, "127.0.0.1:5000"),
            candidate(Kind::Host, "[::]:5000"),
            candidate(Kind::Host, "224.0.0.251:5353"),
            candidate(Kind::Host, "255.255.255.255:5"),
            candidate(Kind::Host, "10.0.0.1:0"),
        ]);
        let expected = [
            candidate(Kind::Host, "192.168.1.5:5000"),
            candidate(Kind::ServerReflexive, "203.0.113.7:5000"),
            candidate(Kind::Predicted, "203.0.113.7:5001"),
        ];
        assert_eq!(pruned, expected);
    }

    #[test]
    fn loopback_alone_is_a_candidate_and_there_are_never_too_many() {
        let loopback = candidate(Kind::Host, "127.0.0.1:7");
        assert_eq!(prune([loopback]), [loopback]);
        let many = (1..=99).map(|port| candidate(Kind::Host, &format!("192.0.2.1:{port}")));
        assert_eq!(prune(many).len(), MAX_CANDIDATES);
    }

    #[test]
    fn nothing_is_sent_to_where_no_peer_can_be() {
        let own = [at("192.168.1.5:5000"), at("[2001:db8::5]:5000")];
        for (text, why) in [
            ("0.0.0.0:1", Forbidden::NoHost),
            ("0.1.2.3:1", Forbidden::NoHost),
            ("255.255.255.255:1", Forbidden::NoHost),
            ("239.1.1.1:1", Forbidden::NoHost),
            ("[ff02::fb]:5353", Forbidden::NoHost),
            ("[::]:1", Forbidden::NoHost),
            ("203.0.113.1:0", Forbidden::NoHost),
            ("127.0.0.1:1", Forbidden::Loopback),
            ("[::1]:1", Forbidden::Loopback),
            ("192.168.1.5:5000", Forbidden::Own),
            ("10.1.2.3:1", Forbidden::OutOfScope),
            ("172.20.2.3:1", Forbidden::OutOfScope),
            ("100.64.2.3:1", Forbidden::OutOfScope),
            ("169.254.2.3:1", Forbidden::OutOfScope),
            ("[fd00::1]:1", Forbidden::OutOfScope),
            ("[fe80::1]:1", Forbidden::OutOfScope),
        ] {
            assert_eq!(may_probe(&at(text), &own), Err(why), "{text}");
        }
        assert_eq!(
            may_probe(&at("[2001:db8::1]:1"), &own[..1]),
            Err(Forbidden::Family)
        );
        assert_eq!(may_probe(&at("203.0.113.1:1"), &[]), Err(Forbidden::Family));
    }

    #[test]
    fn what_can_be_reached_is_probed() {
        let own = [
            at("192.168.1.5:5000"),
            at("[2001:db8::5]:5000"),
            at("[fd01:2:3::5]:5"),
        ];
        for text in [
            "203.0.113.1:1",
            "192.168.77.2:1",
            "[2001:db8:ffff::1]:1",
            "[fd01:2:3:4::1]:1",
        ] {
            assert_eq!(may_probe(&at(text), &own), Ok(()), "{text}");
        }
        let local = [at("127.0.0.1:5")];
        assert_eq!(may_probe(&at("127.0.0.1:6"), &local), Ok(()));
    }
}
