//! What moves datagrams, and the addresses by which QUIC knows it.
//!
//! The main UDP socket is carrier 0 and its addresses are real ones, IPv6-mapped. Every other carrier, a
//! further UDP socket included, has virtual addresses: one for each remote address behind it. They exist
//! in this table only, and what arrives from outside and claims to be one is dropped.

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV6};

use anypath_wire::address::{VirtualPrefix, to_mapped};
use anypath_wire::id::EndpointId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::few::Few;

/// How many virtual addresses the table holds beside those that connections use.
///
/// A stranger makes one by each source address that it invents behind a second socket.
const MAX_STRANGERS: usize = 4096;

/// The port of every virtual address. QUIC refuses to dial port 0; nothing else reads it.
const VIRTUAL_PORT: u16 = 1;

/// The id of the main UDP socket.
pub const MAIN_CARRIER: u32 = 0;

/// The first id of a further UDP socket. The core gives those; every id below is the driver's to give.
pub const FIRST_SOCKET: u32 = 0x4000_0000;

/// The first id of a carrier that is a session which a browser has opened; the core gives those, too.
pub const FIRST_SESSION: u32 = 0x6000_0000;

/// The first id of a relay, which the core gives, too.
pub const FIRST_RELAY: u32 = 0x8000_0000;

/// What kind of thing a carrier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CarrierKind {
    /// A UDP socket.
    Udp = 0,
    /// A channel within the process.
    Memory = 1,
    /// A WebTransport session with the remote. It takes no packets while its size is 0: it is not open then, and may be later.
    WebTransport = 2,
    /// A relay. Only the core makes one, so it has no number across the boundary.
    Relay = 3,
}

impl TryFrom<u8> for CarrierKind {
    type Error = u8;

    fn try_from(number: u8) -> Result<Self, u8> {
        match number {
            0 => Ok(Self::Udp),
            1 => Ok(Self::Memory),
            2 => Ok(Self::WebTransport),
            other => Err(other),
        }
    }
}

/// How a carrier names a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// By the address of its socket; IPv4 is mapped.
    Socket(SocketAddrV6),
    /// By its id: a relay knows it by that.
    Endpoint(EndpointId),
}

impl Address {
    /// The socket's address; `None` behind a relay.
    pub const fn socket(&self) -> Option<SocketAddrV6> {
        match self {
            Self::Socket(address) => Some(*address),
            Self::Endpoint(_) => None,
        }
    }
}

impl From<SocketAddrV6> for Address {
    fn from(address: SocketAddrV6) -> Self {
        Self::Socket(address)
    }
}

impl From<EndpointId> for Address {
    fn from(id: EndpointId) -> Self {
        Self::Endpoint(id)
    }
}

/// Where a datagram goes or comes from: a carrier and the remote behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The carrier.
    pub carrier: u32,
    /// The remote behind it.
    pub address: Address,
}

impl Route {
    /// A route over a socket or something like one.
    pub const fn socket(carrier: u32, address: SocketAddrV6) -> Self {
        let address = Address::Socket(address);
        Self { carrier, address }
    }

    /// A route over a relay.
    pub const fn relay(relay: u32, remote: EndpointId) -> Self {
        let address = Address::Endpoint(remote);
        Self {
            carrier: relay,
            address,
        }
    }

    /// Whether a relay is between.
    pub const fn is_relayed(&self) -> bool {
        matches!(self.address, Address::Endpoint(_))
    }
}

#[derive(Debug)]
struct Carrier {
    kind: CarrierKind,
    max_packet_bytes: usize,
}

#[derive(Debug)]
struct Virtual {
    route: Route,
    last_use: u64,
}

/// The carriers and the virtual addresses.
#[derive(Debug)]
pub(crate) struct CarrierTable {
    prefix: VirtualPrefix,
    rng: StdRng,
    carriers: Few<u32, Carrier>,
    by_address: BTreeMap<SocketAddrV6, Virtual>,
    by_route: BTreeMap<Route, SocketAddrV6>,
    /// How many virtual addresses there may be before strangers' are forgotten.
    limit: usize,
    next_index: u32,
    /// Counts uses, so that the oldest is known without a clock.
    uses: u64,
}

impl CarrierTable {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let mut global_id = [0; 5];
        rng.fill_bytes(&mut global_id);
        Self {
            prefix: VirtualPrefix::new(global_id),
            rng,
            carriers: Few::default(),
            by_address: BTreeMap::new(),
            by_route: BTreeMap::new(),
            limit: MAX_STRANGERS,
            next_index: 0,
            uses: 0,
        }
    }

    pub(crate) fn set(&mut self, id: u32, kind: CarrierKind, max_packet_bytes: usize) {
        let carrier = Carrier {
            kind,
            max_packet_bytes,
        };
        self.carriers.insert(id, carrier);
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.carriers.remove(&id);
        self.by_route.retain(|route, _| route.carrier != id);
        self.by_address.retain(|_, entry| entry.route.carrier != id);
    }

    pub(crate) fn kind(&self, id: u32) -> Option<CarrierKind> {
        self.carriers.get(&id).map(|carrier| carrier.kind)
    }

    /// The largest packet that the carrier takes; 0 when there is no such carrier.
    pub(crate) fn max_packet_bytes(&self, id: u32) -> usize {
        self.carriers
            .get(&id)
            .map_or(0, |carrier| carrier.max_packet_bytes)
    }

    /// Whether an address from outside lies where only this table may make addresses.
    pub(crate) fn is_virtual(&self, address: &SocketAddrV6) -> bool {
        self.prefix.contains((*address.ip()).into())
    }

    /// Whether strangers' addresses have to be forgotten before there is one for this route.
    pub(crate) fn is_full_for(&self, route: &Route) -> bool {
        self.by_address.len() >= self.limit
            && route.carrier != MAIN_CARRIER
            && !self.by_route.contains_key(route)
    }

    /// Forgets half of the strangers' addresses, those unused for longest, and none that is `in_use`, which is sorted.
    ///
    /// Half, because to find out what is in use takes a look at every connection.
    pub(crate) fn forget_strangers(&mut self, in_use: &[SocketAddrV6]) {
        let mut strangers: Vec<_> = self
            .by_address
            .iter()
            .filter(|(address, _)| in_use.binary_search(address).is_err())
            .map(|(address, entry)| (entry.last_use, *address))
            .collect();
        self.limit = self.by_address.len() - strangers.len() + MAX_STRANGERS;
        strangers.sort_unstable();
        let spared = strangers.len().min(MAX_STRANGERS / 2);
        strangers.truncate(strangers.len() - spared);
        for (_, address) in strangers {
            if let Some(entry) = self.by_address.remove(&address) {
                self.by_route.remove(&entry.route);
            }
        }
    }

    /// The address by which QUIC knows a route, if it has one yet.
    pub(crate) fn known(&self, route: &Route) -> Option<SocketAddrV6> {
        self.by_route.get(route).copied()
    }

    /// Lets a virtual address stand for another route from now on; false for a real address, and when it does already.
    ///
    /// QUIC goes on sending to the same address, and the remote sees what comes from elsewhere as a migration.
    pub(crate) fn lead_to(&mut self, address: SocketAddr, route: Route) -> bool {
        let address = to_mapped(address);
        if !self.is_possible(&route) || route.carrier == MAIN_CARRIER {
            return false;
        }
        let Some(entry) = self.by_address.get_mut(&address) else {
            return false;
        };
        if entry.route == route {
            return false;
        }
        let old = std::mem::replace(&mut entry.route, route);
        self.by_route.remove(&old);
        if let Some(former) = self.by_route.insert(route, address) {
            self.by_address.remove(&former);
        }
        true
    }

    /// Whether the carrier exists, names remotes in that way, and the name is not a forged one.
    pub(crate) fn is_possible(&self, route: &Route) -> bool {
        let kind = self.kind(route.carrier);
        match &route.address {
            Address::Socket(address) => {
                kind.is_some_and(|kind| kind != CarrierKind::Relay) && !self.is_virtual(address)
            }
            Address::Endpoint(_) => kind == Some(CarrierKind::Relay),
        }
    }

    /// The address by which QUIC knows a route; `None` for an unknown carrier and for a forged address.
    pub(crate) fn inward(&mut self, route: Route) -> Option<SocketAddr> {
        if !self.is_possible(&route) {
            return None;
        }
        if let (MAIN_CARRIER, Address::Socket(address)) = (route.carrier, route.address) {
            return Some(SocketAddr::V6(address));
        }
        self.uses += 1;
        if let Some(address) = self.by_route.get(&route).copied() {
            if let Some(entry) = self.by_address.get_mut(&address) {
                entry.last_use = self.uses;
            }
            return Some(SocketAddr::V6(address));
        }
        let address = self.unused_address();
        self.by_route.insert(route, address);
        let last_use = self.uses;
        self.by_address.insert(address, Virtual { route, last_use });
        Some(SocketAddr::V6(address))
    }

    /// The route of an address that QUIC sends to.
    pub(crate) fn outward(&self, address: SocketAddr) -> Option<Route> {
        let address = to_mapped(address);
        if let Some(entry) = self.by_address.get(&address) {
            return Some(entry.route);
        }
        let carrier = MAIN_CARRIER;
        let known = self.carriers.contains_key(&carrier) && !self.is_virtual(&address);
        known.then_some(Route::socket(carrier, address))
    }

    /// A virtual address that stands for several routes at once, see [`Dial`](crate::dial::Dial).
    pub(crate) fn mixed(&mut self) -> SocketAddr {
        SocketAddr::V6(self.unused_address())
    }

    fn unused_address(&mut self) -> SocketAddrV6 {
        let mut random = [0; 6];
        self.rng.fill_bytes(&mut random);
        self.next_index = self.next_index.wrapping_add(1);
        let ip = self.prefix.address(self.next_index, random);
        SocketAddrV6::new(ip, VIRTUAL_PORT, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> CarrierTable {
        let mut table = CarrierTable::new([7; 32]);
        table.set(MAIN_CARRIER, CarrierKind::Udp, 1452);
        table.set(3, CarrierKind::Memory, 1200);
        table
    }

    fn route(carrier: u32, text: &str) -> Route {
        let address = to_mapped(text.parse().expect("an address"));
        Route::socket(carrier, address)
    }

    #[test]
    fn the_main_socket_keeps_real_addresses_in_mapped_form() {
        let mut table = table();
        let route = route(MAIN_CARRIER, "192.0.2.1:5");
        let inside = table.inward(route).expect("known");
        assert_eq!(inside.to_string(), "[::ffff:192.0.2.1]:5");
        assert_eq!(table.outward(inside), Some(route));
    }

    #[test]
    fn another_carrier_has_one_virtual_address_for_each_remote() {
        let mut table = table();
        let (one, two) = (route(3, "192.0.2.1:5"), route(3, "192.0.2.1:6"));
        let inside = table.inward(one).expect("known");
        assert_eq!(table.inward(one), Some(inside));
        assert_ne!(table.inward(two), Some(inside));
        assert_eq!(table.outward(inside), Some(one));
        table.remove(3);
        assert_eq!(table.outward(inside), None);
        assert_eq!(table.inward(one), None);
    }

    #[test]
    fn an_address_that_leads_elsewhere_is_known_there_and_no_longer_where_it_was() {
        let mut table = table();
        table.set(FIRST_RELAY, CarrierKind::Relay, 1200);
        let id = EndpointId([1; 32]);
        let (old, new) = (route(3, "192.0.2.1:5"), Route::relay(FIRST_RELAY, id));
        let inside = table.inward(old).expect("known");
        let former = table.inward(new).expect("known");
        assert!(table.lead_to(inside, new));
        assert!(!table.lead_to(inside, new));
        assert_eq!(table.outward(inside), Some(new));
        assert_eq!(table.inward(new), Some(inside));
        assert_eq!(table.outward(former), None);
        assert_ne!(table.inward(old), Some(inside));
        let real = table
            .inward(route(MAIN_CARRIER, "192.0.2.1:5"))
            .expect("known");
        assert!(!table.lead_to(real, new));
        assert!(!table.lead_to(inside, Route::relay(FIRST_RELAY + 1, id)));
    }

    #[test]
    fn a_virtual_address_from_outside_is_dropped() {
        let mut table = table();
        let inside = table.inward(route(3, "192.0.2.1:5")).expect("known");
        let SocketAddr::V6(address) = inside else {
            panic!("virtual addresses are IPv6")
        };
        let forged = Route::socket(MAIN_CARRIER, address);
        assert_eq!(table.inward(forged), None);
    }

    #[test]
    fn strangers_cannot_grow_the_table_without_end_nor_take_an_address_in_use() {
        let mut table = table();
        let mut used: Vec<_> = (1..=300)
            .filter_map(|port| table.inward(route(3, &format!("192.0.2.2:{port}"))))
            .map(to_mapped)
            .collect();
        used.sort_unstable();
        for port in 1..=60_000 {
            let stranger = route(3, &format!("192.0.2.1:{port}"));
            if table.is_full_for(&stranger) {
                table.forget_strangers(&used);
            }
            table.inward(stranger);
            assert!(table.by_address.len() <= used.len() + MAX_STRANGERS);
        }
        assert_eq!(table.by_route.len(), table.by_address.len());
        assert!(table.by_route.contains_key(&route(3, "192.0.2.1:60000")));
        assert!(
            used.iter()
                .all(|address| table.by_address.contains_key(address))
        );
    }

    #[test]
    fn more_addresses_in_use_than_strangers_may_have_leave_room_for_strangers() {
        let mut table = table();
        let mut used = Vec::new();
        for port in 1..=3 * MAX_STRANGERS {
            let route = route(3, &format!("192.0.2.2:{port}"));
            if table.is_full_for(&route) {
                used.sort_unstable();
                table.forget_strangers(&used);
            }
            used.extend(table.inward(route).map(to_mapped));
        }
        assert_eq!(table.by_address.len(), used.len());
    }
}
