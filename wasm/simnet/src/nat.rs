//! NATs as mapping and filtering [RFC 4787].
//!
//! A [`Nat`] is a router with connection tracking, as Linux has it: a flow, once there, keeps its translation while packets
//! pass either way; what is remembered of a socket beyond its flows (its mapping, and whom it has written to) lives
//! only by what that socket sends. The kinds are those of the kernel laboratory in `test/natlab`, rule by rule.
//!
//! [RFC 4787]: https://www.rfc-editor.org/rfc/rfc4787

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::simulation::Micros;

mod kind;

pub use kind::{Filtering, InvalidKind, Kind, Mapping, SiteKind};

/// How long a mapping lives after the last packet, in microseconds, unless told otherwise: 30 s.
pub const LIFETIME: Micros = 30_000_000;

/// The ports that are given out, but for those of [`Mapping::Sequential`].
const PORTS: std::ops::RangeInclusive<u16> = 1024..=65535;

/// How many ports [`Mapping::Sequential`] counts through before it begins again.
const SEQUENCE: u16 = 4096;

/// How many flows are kept before those that are over are forgotten.
const SWEEP_ABOVE: usize = 4096;

/// A router's NAT, between an inside and an outside.
#[derive(Debug)]
pub struct Nat {
    /// How long what it knows lives, in microseconds.
    pub lifetime: Micros,
    kind: Kind,
    wan: Ipv4Addr,
    rng: StdRng,
    /// By inside and remote address.
    flows: BTreeMap<(SocketAddrV4, SocketAddrV4), Flow>,
    /// Who is meant by what comes to an outside address from a remote one.
    owners: BTreeMap<(SocketAddrV4, SocketAddrV4), (Owner, Micros)>,
    /// By inside address and, where the mapping depends on it, the remote's.
    mappings: BTreeMap<(SocketAddrV4, Option<Ipv4Addr>), (SocketAddrV4, Micros)>,
    /// The inside address of an outside port on the router's own address.
    ports: BTreeMap<u16, (SocketAddrV4, Micros)>,
    /// Whom an inside address has written to.
    permits: BTreeMap<(SocketAddrV4, Ipv4Addr), Micros>,
    /// Flows between two inside hosts: by sender and destination as it writes, source and destination as the other sees it.
    turns: BTreeMap<(SocketAddrV4, SocketAddrV4), (SocketAddrV4, SocketAddrV4, Micros)>,
    sequence: (u16, u16),
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    outside: SocketAddrV4,
    until: Micros,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Inside(SocketAddrV4),
    /// Connection tracking took a stranger's packet for one to the router itself.
    Router,
}

impl Nat {
    /// A NAT of that kind with that outside address. The seed decides which ports it takes.
    pub fn new(kind: Kind, wan: Ipv4Addr, seed: u64) -> Self {
        let mut nat = Self {
            lifetime: LIFETIME,
            kind,
            wan,
            rng: StdRng::seed_from_u64(seed),
            flows: BTreeMap::new(),
            owners: BTreeMap::new(),
            mappings: BTreeMap::new(),
            ports: BTreeMap::new(),
            permits: BTreeMap::new(),
            turns: BTreeMap::new(),
            sequence: (0, 0),
        };
        nat.reboot();
        nat
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its outside address; with a pool there are four more.
    pub fn wan(&self) -> Ipv4Addr {
        self.wan
    }

    /// Whether an outside address is its own.
    pub fn owns(&self, ip: Ipv4Addr) -> bool {
        ip == self.wan || self.kind.mapping == Mapping::Pool && self.pool().contains(&ip)
    }

    /// Forgets every mapping, as a power cycle does.
    pub fn reboot(&mut self) {
        self.flows.clear();
        self.owners.clear();
        self.mappings.clear();
        self.ports.clear();
        self.permits.clear();
        self.turns.clear();
        self.sequence = (self.rng.random_range(20_000..50_000), 0);
    }

    /// Comes back with another outside address.
    pub fn renumber(&mut self, wan: Ipv4Addr) {
        self.wan = wan;
        self.reboot();
    }

    /// Becomes another kind of NAT, which knows nothing yet.
    pub fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
        self.reboot();
    }

    /// The outside address that a packet from `inside` to `remote` leaves with; `None`: it is dropped.
    pub fn outbound(
        &mut self,
        now: Micros,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<SocketAddrV4> {
        // Names are still looked up where UDP is blocked.
        if self.kind.blocks && remote.port() != 53 {
            return None;
        }
        if self.kind.is_absent() {
            return Some(inside);
        }
        let flow = self.flows.get(&(inside, remote));
        let outside = match flow.filter(|flow| flow.until > now) {
            Some(flow) => flow.outside,
            None => self.translate(now, inside, remote),
        };
        self.track(now, inside, outside, remote);
        self.learn(now, inside, outside, remote);
        Some(outside)
    }

    /// The inside address that a packet from `remote` to `outside` goes to; `None`: it is dropped.
    pub fn inbound(
        &mut self,
        now: Micros,
        remote: SocketAddrV4,
        outside: SocketAddrV4,
    ) -> Option<SocketAddrV4> {
        if self.kind.is_absent() {
            return Some(outside);
        }
        let owner = self.owners.get(&(outside, remote));
        match owner.filter(|(_, until)| *until > now) {
            Some((Owner::Inside(inside), _)) => {
                let inside = *inside;
                self.track(now, inside, outside, remote);
                Some(inside)
            }
            Some((Owner::Router, _)) => {
                self.claim(now, outside, remote);
                None
            }
            None => self.admit(now, remote, outside),
        }
    }

    /// What becomes of a packet from `inside` to an outside address of this NAT: source and destination as the other
    /// inside host sees them; `None`: it is dropped.
    pub fn hairpin(
        &mut self,
        now: Micros,
        inside: SocketAddrV4,
        to: SocketAddrV4,
    ) -> Option<(SocketAddrV4, SocketAddrV4)> {
        if !self.kind.hairpin || *to.ip() != self.wan {
            return None;
        }
        let known = self.turns.get(&(inside, to));
        let (source, other) = match known.filter(|(_, _, until)| *until > now) {
            Some((source, other, _)) => (*source, *other),
            None => {
                let (other, _) = self
                    .ports
                    .get(&to.port())
                    .filter(|(_, until)| *until > now)?;
                let other = *other;
                (self.hairpin_source(now, inside), other)
            }
        };
        let until = now + self.lifetime;
        self.turns.insert((inside, to), (source, other, until));
        self.turns.insert((other, source), (to, inside, until));
        self.ports.insert(source.port(), (inside, until));
        self.mappings.insert((inside, None), (source, until));
        Some((source, other))
    }

    fn hairpin_source(&mut self, now: Micros, inside: SocketAddrV4) -> SocketAddrV4 {
        let keeps = !matches!(
            self.kind.mapping,
            Mapping::Random | Mapping::Sequential | Mapping::Pool
        );
        let known = self.mappings.get(&(inside, None));
        match known.filter(|(_, until)| keeps && *until > now) {
            Some((outside, _)) => *outside,
            None => SocketAddrV4::new(self.wan, self.rng.random_range(PORTS)),
        }
    }

    /// Chooses the outside address of a new flow.
    fn translate(
        &mut self,
        now: Micros,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> SocketAddrV4 {
        let wanted = match self.kind.mapping {
            Mapping::None => return inside,
            Mapping::EndpointIndependent => self.mapping(now, (inside, None)),
            Mapping::AddressDependent => self.mapping(now, (inside, Some(*remote.ip()))),
            Mapping::PortPreserving => Some(SocketAddrV4::new(self.wan, inside.port())),
            Mapping::Random | Mapping::Pool => None,
            Mapping::Sequential => {
                let (base, step) = self.sequence;
                self.sequence.1 = (step + 1) % SEQUENCE;
                Some(SocketAddrV4::new(self.wan, base + step))
            }
        };
        let address = match self.kind.mapping {
            Mapping::Pool => self.pool()[choice(*inside.ip(), *remote.ip())],
            _ => self.wan,
        };
        let mut outside = wanted;
        loop {
            let random = SocketAddrV4::new(address, self.rng.random_range(PORTS));
            let outside = outside.take().unwrap_or(random);
            let taken = self.owners.get(&(outside, remote));
            if taken.is_none_or(|(_, until)| *until <= now) {
                return outside;
            }
        }
    }

    fn mapping(&self, now: Micros, key: (SocketAddrV4, Option<Ipv4Addr>)) -> Option<SocketAddrV4> {
        let (outside, until) = self.mappings.get(&key)?;
        (*until > now).then_some(*outside)
    }

    /// A packet of no flow came from outside.
    fn admit(
        &mut self,
        now: Micros,
        remote: SocketAddrV4,
        outside: SocketAddrV4,
    ) -> Option<SocketAddrV4> {
        if self.kind.open {
            self.claim(now, outside, remote);
        }
        let (inside, _) = self
            .ports
            .get(&outside.port())
            .filter(|(_, until)| *outside.ip() == self.wan && *until > now)?;
        let inside = *inside;
        let permit = self.permits.get(&(inside, *remote.ip()));
        let admitted = match self.kind.filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => permit.is_some_and(|until| *until > now),
            Filtering::AddressAndPortDependent => false,
        };
        let other = self.flows.get(&(inside, remote));
        let clashes = other.is_some_and(|flow| flow.until > now && flow.outside != outside);
        if !admitted || clashes {
            return None;
        }
        self.track(now, inside, outside, remote);
        Some(inside)
    }

    /// A packet of a flow passes, in either direction.
    fn track(
        &mut self,
        now: Micros,
        inside: SocketAddrV4,
        outside: SocketAddrV4,
        remote: SocketAddrV4,
    ) {
        if self.flows.len() > SWEEP_ABOVE {
            self.sweep(now);
        }
        let until = now + self.lifetime;
        self.flows.insert((inside, remote), Flow { outside, until });
        self.owners
            .insert((outside, remote), (Owner::Inside(inside), until));
    }

    fn claim(&mut self, now: Micros, outside: SocketAddrV4, remote: SocketAddrV4) {
        let until = now + self.lifetime;
        self.owners
            .insert((outside, remote), (Owner::Router, until));
    }

    /// An inside socket has sent something.
    fn learn(
        &mut self,
        now: Micros,
        inside: SocketAddrV4,
        outside: SocketAddrV4,
        remote: SocketAddrV4,
    ) {
        let until = now + self.lifetime;
        self.permits.insert((inside, *remote.ip()), until);
        if self.kind.mapping == Mapping::None {
            return;
        }
        self.mappings.insert((inside, None), (outside, until));
        if self.kind.mapping == Mapping::AddressDependent {
            let key = (inside, Some(*remote.ip()));
            self.mappings.insert(key, (outside, until));
        }
        self.ports.insert(outside.port(), (inside, until));
    }

    fn sweep(&mut self, now: Micros) {
        self.flows.retain(|_, flow| flow.until > now);
        self.owners.retain(|_, (_, until)| *until > now);
    }

    /// The addresses beside its own that a pool has.
    fn pool(&self) -> [Ipv4Addr; 4] {
        let [a, b, c, _] = self.wan.octets();
        [20, 21, 22, 23].map(|last| Ipv4Addr::new(a, b, c, last))
    }
}

/// Which address of a pool a pair of hosts gets: always the same.
fn choice(inside: Ipv4Addr, remote: Ipv4Addr) -> usize {
    let pair = (u64::from(inside.to_bits()) << 32) | u64::from(remote.to_bits());
    (pair.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62) as usize
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
