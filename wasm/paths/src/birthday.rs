//! The birthday scheme: how two peers find a pair of ports when one's NAT maps every destination to another port that it
//! draws at random, and the other's has one mapping but lets in only whom it was used for.
//!
//! The hard side sends to the easy side's mapped address from many sockets, so that its NAT has as many mappings that let
//! the easy side in; the easy side sends to random ports of the hard side's address until it meets one of them.

use std::time::Duration;

use anypath_wire::control::Nat;

use crate::mapping::{Mapping, NatReport};

/// How many sockets the hard side opens.
pub const SOCKETS: u16 = 256;

/// How many ports the easy side tries.
pub const PROBES: u16 = 2048;

/// The lowest port that is tried: a NAT maps a port of this range to one of this range [RFC 4787 § 4.2.1].
pub const FIRST_PORT: u16 = 1024;

/// How many probes a peer sends in a second, whatever the number of its attempts.
pub const PROBES_PER_SECOND: u32 = 1000;

/// When an attempt that found nothing is over.
pub const DEADLINE: Duration = Duration::from_secs(12);

/// How many ports there are to try.
const PORTS: usize = (u16::MAX - FIRST_PORT) as usize + 1;

/// The side that a peer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Many sockets, one destination.
    Hard,
    /// One socket, many ports.
    Easy,
}

/// The side to take; `None` where the scheme is of no use: two easy ones meet without it, and two hard ones hardly ever.
pub const fn side(own: Nat, remote: Nat) -> Option<Side> {
    match (own, remote) {
        (Nat::Hard, Nat::Easy) => Some(Side::Hard),
        (Nat::Easy, Nat::Hard) => Some(Side::Easy),
        _ => None,
    }
}

/// What a NAT is to the scheme. A pool is of no use, for the address that the remote would see is not known. Ports in a sequence are
/// as good as others here: two random ones may look like one, and a real one is met by prediction before the scheme is tried.
pub fn nat(report: &NatReport) -> Nat {
    match report.mapping {
        _ if report.pool.len() != 1 => Nat::Unknown,
        Mapping::EndpointIndependent => Nat::Easy,
        mapping if mapping.is_dependent() => Nat::Hard,
        _ => Nat::Unknown,
    }
}

/// When the probe number `index` of a side is due, counted from the start of the attempt.
pub fn due(index: u32) -> Duration {
    Duration::from_secs(1) * index / PROBES_PER_SECOND
}

/// The ports that the easy side tries: random ones from [`FIRST_PORT`] on, none of them twice. It ends when all were tried.
#[derive(Debug, Clone)]
pub struct Ports {
    state: u64,
    tried: Vec<bool>,
    left: usize,
}

impl Ports {
    /// The ports of an attempt; each seed has its own order.
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            tried: vec![false; PORTS],
            left: PORTS,
        }
    }

    /// SplitMix64: ports are no secret, so a small generator does.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Iterator for Ports {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        let mut index = (self.random() % PORTS as u64) as usize;
        // The next one that is free: while few were tried, which is all that an attempt needs, this is as good as random.
        while self.tried[index] {
            index = (index + 1) % PORTS;
        }
        self.tried[index] = true;
        Some(FIRST_PORT + index as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_an_easy_and_a_hard_nat_call_for_the_scheme() {
        use Nat::{Easy, Hard, Unknown};
        assert_eq!(side(Hard, Easy), Some(Side::Hard));
        assert_eq!(side(Easy, Hard), Some(Side::Easy));
        for (own, remote) in [(Hard, Hard), (Easy, Easy), (Unknown, Hard), (Easy, Unknown)] {
            assert_eq!(side(own, remote), None);
        }
    }

    #[test]
    fn a_pool_and_a_nat_that_is_not_known_call_for_nothing() {
        use crate::mapping::Ports as Choice;
        use std::net::Ipv6Addr;
        let of = |mapping, ports, pool: &[u16]| {
            let address = |last: &u16| Ipv6Addr::from_bits((*last).into());
            nat(&NatReport {
                public: Some(false),
                mapping,
                ports,
                pool: pool.iter().map(address).collect(),
            })
        };
        let independent = Mapping::EndpointIndependent;
        let dependent = Mapping::AddressAndPortDependent;
        assert_eq!(of(independent, Choice::Preserved, &[1]), Nat::Easy);
        assert_eq!(of(Mapping::Dependent, Choice::Random, &[1]), Nat::Hard);
        assert_eq!(of(dependent, Choice::Stride(9), &[1]), Nat::Hard);
        assert_eq!(of(dependent, Choice::Random, &[1, 2]), Nat::Unknown);
        assert_eq!(of(Mapping::Unknown, Choice::Unknown, &[1]), Nat::Unknown);
        assert_eq!(of(Mapping::Unknown, Choice::Unknown, &[]), Nat::Unknown);
    }

    #[test]
    fn every_port_is_tried_once() {
        let mut ports: Vec<u16> = Ports::new(1).collect();
        ports.sort_unstable();
        assert!(ports.into_iter().eq(FIRST_PORT..=u16::MAX));
    }

    #[test]
    fn the_probes_of_both_sides_fit_the_deadline() {
        assert_eq!(due(0), Duration::ZERO);
        assert_eq!(due(1000), Duration::from_secs(1));
        assert!(due(u32::from(PROBES) + u32::from(SOCKETS)) < DEADLINE / 2);
    }

    #[test]
    fn of_a_thousand_attempts_on_random_mappings_nearly_all_hit() {
        let mut hits = 0;
        let mut probes = 0;
        for seed in 0..1000 {
            let mapped: Vec<u16> = Ports::new(!seed).take(SOCKETS.into()).collect();
            let tried = Ports::new(seed).take(PROBES.into());
            let hit = tried.enumerate().find(|(_, port)| mapped.contains(port));
            if let Some((index, _)) = hit {
                hits += 1;
                probes += index + 1;
            }
        }
        println!(
            "{hits} of 1000 attempts hit, after {} probes on average",
            probes / hits.max(1)
        );
        // In theory 1 - (1 - 256/64512)^2048, which is 99.97 %, after about 251.
        assert!(hits >= 990, "{hits} of 1000");
    }

    proptest! {
        #[test]
        fn the_ports_of_an_attempt_are_distinct_and_repeat_for_a_seed(seed: u64) {
            let ports: Vec<u16> = Ports::new(seed).take(PROBES.into()).collect();
            let again: Vec<u16> = Ports::new(seed).take(PROBES.into()).collect();
            prop_assert_eq!(&ports, &again);
            let distinct: std::collections::BTreeSet<_> = ports.iter().collect();
            prop_assert_eq!(distinct.len(), usize::from(PROBES));
            prop_assert!(ports.iter().all(|port| *port >= FIRST_PORT));
        }
    }
}
