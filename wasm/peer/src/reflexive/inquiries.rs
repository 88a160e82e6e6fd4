//! The client of QUIC Address Discovery ([draft-ietf-quic-address-discovery]): connections that are made only to
//! learn at which address the main socket is seen, and closed when that is told.
//!
//! iroh's relays have such a service, and no STUN. It is known by the name in its certificate; this peer shows none.
//!
//! [draft-ietf-quic-address-discovery]: https://datatracker.ietf.org/doc/draft-ietf-quic-address-discovery/

use std::collections::BTreeMap;
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::Duration;

use noq_proto::crypto::ClientConfig;

use crate::clock::Instant;
use crate::event::ConnectionKey;

/// Services that are asked; what is beyond is left out.
pub(crate) const MAX_SERVICES: usize = 16;

/// How long an answer is waited for: a post-quantum handshake that loses its first datagrams takes 3 seconds.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// How often services are asked while there are connections: a handshake costs more than a STUN request.
const INTERVAL: Duration = Duration::from_secs(300);

/// How often lost paths make this peer ask.
const DOUBT_INTERVAL: Duration = Duration::from_secs(30);

/// A service that tells QUIC clients their address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryService<'a> {
    /// Where it is.
    pub address: SocketAddrV6,
    /// The DNS name or IP address that its certificate is for.
    pub name: &'a str,
    /// Which of the sets of trust anchors its certificate has to lead to.
    pub anchors: usize,
}

/// A service, with the TLS that is spoken with it.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) address: SocketAddrV6,
    pub(crate) name: String,
    pub(crate) tls: Arc<dyn ClientConfig>,
}

/// A connection to a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inquiry {
    pub(crate) service: SocketAddrV6,
    pub(crate) began: Instant,
    pub(crate) order: u64,
    /// Whether it has its answer, or will get none.
    pub(crate) over: bool,
}

/// The services, and the connections to them.
#[derive(Default)]
pub(crate) struct Inquiries {
    services: Vec<Service>,
    /// Those that drain included.
    under_way: BTreeMap<ConnectionKey, Inquiry>,
    asked: Option<Instant>,
}

impl Inquiries {
    /// Asks others from now on, at most [`MAX_SERVICES`].
    pub(crate) fn set_services(&mut self, services: Vec<Service>) {
        self.services = services;
        self.services.truncate(MAX_SERVICES);
        self.asked = None;
    }

    pub(crate) fn asks(&self, address: &SocketAddrV6) -> bool {
        self.services.iter().any(|s| s.address == *address)
    }

    /// The connections there are for this.
    pub(crate) fn len(&self) -> usize {
        self.under_way.len()
    }

    pub(crate) fn contains(&self, key: ConnectionKey) -> bool {
        self.under_way.contains_key(&key)
    }

    pub(crate) fn get_mut(&mut self, key: ConnectionKey) -> Option<&mut Inquiry> {
        self.under_way.get_mut(&key)
    }

    pub(crate) fn add(&mut self, key: ConnectionKey, inquiry: Inquiry) {
        self.under_way.insert(key, inquiry);
    }

    pub(crate) fn remove(&mut self, key: ConnectionKey) {
        self.under_way.remove(&key);
    }

    /// The connections that wait for an answer.
    pub(crate) fn waiting(&self) -> Vec<ConnectionKey> {
        let waiting = self.under_way.iter().filter(|(_, inquiry)| !inquiry.over);
        waiting.map(|(key, _)| *key).collect()
    }

    /// When services are to be asked; `None`: never. What is known is kept fresh only where it is `needed`.
    pub(crate) fn due(&self, now: Instant, needed: bool) -> Option<Instant> {
        if self.services.is_empty() {
            return None;
        }
        match self.asked {
            None => Some(now),
            Some(asked) => needed.then(|| asked + INTERVAL),
        }
    }

    /// The services to ask now: those that are not being asked.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<Service> {
        self.asked = Some(now);
        let asked = |service: &Service| {
            let mut waiting = self.under_way.values().filter(|inquiry| !inquiry.over);
            waiting.any(|inquiry| inquiry.service == service.address)
        };
        let idle = self.services.iter().filter(|service| !asked(service));
        idle.cloned().collect()
    }

    /// What was told may not be true any more; `for_sure`: the network is another one.
    pub(crate) fn doubt(&mut self, now: Instant, for_sure: bool) {
        if for_sure || self.asked.is_none_or(|at| at + DOUBT_INTERVAL <= now) {
            self.asked = None;
        }
    }
}
