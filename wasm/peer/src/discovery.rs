//! QUIC Address Discovery: clients that connect only to learn at which address they are seen
//! ([draft-ietf-quic-address-discovery], the ALPN of iroh's relays).
//!
//! They are anonymous: they know this server by the name in its certificate, and show none. So they are no
//! peers: the application never hears of them, no session is theirs, and they may send nothing. QUIC itself
//! reports their address to them, again whenever it changes, for as long as they stay.
//!
//! [draft-ietf-quic-address-discovery]: https://datatracker.ietf.org/doc/draft-ietf-quic-address-discovery/

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anypath_wire::address::to_mapped;

use crate::admission::{Origin, take_one};
use crate::event::ConnectionKey;
use crate::tls::Certificate;

/// How the service is set up.
#[derive(Debug, Clone)]
pub struct DiscoveryConfig {
    /// What clients are shown.
    pub certificate: Certificate,
    /// What strangers can make grow.
    pub limits: DiscoveryLimits,
}

/// How many clients there may be, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryLimits {
    /// Clients at the same time; beyond it the oldest is let go, for it has its answer.
    pub connections: usize,
    /// Clients of one IP address at the same time; of one /64 where it is IPv6. Beyond it the newest is let go.
    pub per_address: usize,
    /// How long a client may stay.
    pub age: Duration,
}

/// What becomes of a client that has just connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It stays.
    Free,
    /// It stays, and this one has to go.
    Of(ConnectionKey),
    /// It has to go.
    None,
}

/// The clients that are there now.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    /// Where each comes from. Keys only grow, so the oldest is the first.
    by_key: BTreeMap<ConnectionKey, Origin>,
    by_address: BTreeMap<Origin, usize>,
}

impl Clients {
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Finds a place for a client; it is counted unless there is none.
    pub(crate) fn add(
        &mut self,
        key: ConnectionKey,
        source: SocketAddr,
        limits: &DiscoveryLimits,
    ) -> Place {
        let address = Origin::of(&to_mapped(source).into());
        let of_address = self.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= limits.per_address || limits.connections == 0 {
            return Place::None;
        }
        let oldest = match self.by_key.len() < limits.connections {
            true => None,
            false => self.by_key.first_key_value().map(|(key, _)| *key),
        };
        self.by_key.insert(key, address);
        *self.by_address.entry(address).or_default() += 1;
        oldest.map_or(Place::Free, Place::Of)
    }

    /// Forgets a client; one that was not counted is no matter.
    pub(crate) fn remove(&mut self, key: ConnectionKey) {
        let Some(address) = self.by_key.remove(&key) else {
            return;
        };
        take_one(&mut self.by_address, address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DiscoveryLimits = DiscoveryLimits {
        connections: 3,
        per_address: 2,
        age: Duration::from_secs(60),
    };

    fn source(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn beyond_the_limit_the_oldest_gives_its_place() {
        let mut clients = Clients::default();
        for (key, from) in [(1, "192.0.2.1:1"), (2, "192.0.2.2:1"), (3, "192.0.2.3:1")] {
            assert_eq!(clients.add(key, source(from), &LIMITS), Place::Free);
        }
        assert_eq!(clients.add(4, source("192.0.2.4:1"), &LIMITS), Place::Of(1));
        clients.remove(1);
        assert_eq!(clients.len(), 3);
    }

    #[test]
    fn one_address_can_not_push_the_others_out() {
        let mut clients = Clients::default();
        assert_eq!(clients.add(1, source("192.0.2.9:1"), &LIMITS), Place::Free);
        assert_eq!(
            clients.add(2, source("[2001:db8::1]:1"), &LIMITS),
            Place::Free
        );
        assert_eq!(
            clients.add(3, source("[2001:db8::2]:1"), &LIMITS),
            Place::Free
        );
        for key in 4..100 {
            assert_eq!(
                clients.add(key, source("[2001:db8::3]:1"), &LIMITS),
                Place::None
            );
        }
        clients.remove(50);
        assert_eq!(clients.len(), 3);
        for key in 1..=3 {
            clients.remove(key);
        }
        assert!(clients.by_key.is_empty() && clients.by_address.is_empty());
    }
}
